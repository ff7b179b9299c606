"""A grid of alphas with warm starts: chooses between the full Gram matrix and working sets."""

from math import isfinite

import numpy as np
from scipy import sparse

from ..design.partial import Partial, nearly_dependent
from ..losses import Squared
from ..penalties.features import felt
from .correlations import size_of, square_norm
from .glm_path import solve_glm
from .gram import GramProblem, run_paths
from .multitask_newton import solve_blocks
from .result import Path
from .ridge_model import ridge_block
from .working_set import WorkingSet, certificate, residual

# A Gram matrix of all columns costs n p^2 multiply-adds, a working set several passes n p: below this p it always pays.
SMALL = 64
# Largest p whose full Gram matrix may be made for a path, and its smallest length.
LARGE, LONG = 3000, 5
FREE = 1e5  # multiply-adds of an exact step that is always taken
DENSE_PATH = 1 << 20  # entries of a path that is still kept dense; beyond, its zeros would cost more than its fits


def takes_gram(n, p, n_alphas, warm=False):
    """Whether a path runs on the Gram matrix of all columns."""
    return p <= SMALL or (n_alphas >= LONG and p <= min(LARGE, 2 * n) and not warm)


def _check_finite(*values):
    if not all(isfinite(np.add.reduce(v, axis=None)) for v in values):
        raise ValueError("X or y holds values too large for float64 arithmetic (their squares overflow); rescale them.")


def alpha_grid(design, y, penalty, *, eps=1e-3, n_alphas=100, multitask=False):
    """Decreasing log grid from the smallest alpha with all penalised coefficients 0 to ``eps`` times that."""
    y, _, q = design.bind(y)
    penalty = penalty.scaled(design.scale)
    gone = nearly_dependent(design, penalty)
    if len(gone):
        design = Partial(design, gone)
        y, q = design.leave(y)
    free = np.flatnonzero((penalty.factor == 0) & (design.sq_norms > 0))
    if len(free):
        start = WorkingSet(design, y, q, penalty)
        start.fit(1e300, 1e-12, 1000)
        start.seen.read(-np.inf, start.inside)
        q = start.seen.v
    top = max(penalty.alpha_max(c) for c in ([size_of(q)] if multitask else q.reshape(len(q), -1).T))
    _check_finite(top)
    if top <= np.finfo(np.float64).resolution:
        return np.full(n_alphas, np.finfo(np.float64).resolution)
    return top * np.exp(np.linspace(0, np.log(eps), n_alphas))


def solve_path(design, y, alphas, penalty, *, tol=1e-4, max_iter=1000, coef_init=None, multitask=False):
    """Solve along ``alphas`` (decreasing).

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,) or (n, T), raw
    alphas : ndarray of shape (K,)
    penalty : FeatureL1L2
        In the units of X (bounds; factors have none).
    tol : float, default=1e-4
        Relative duality gap: a fit's gap is at most ``tol`` times the objective at 0.
    max_iter : int, default=1000
        Cycles and Newton steps an alpha.
    coef_init : ndarray of shape (p,) or (T, p), optional
        Start, in the units of X.
    multitask : bool, default=False
        Whether targets share their zeros; else each is solved on its own (on one Gram matrix).

    Returns
    -------
    Path
    """
    alphas = np.ascontiguousarray(alphas, dtype=np.float64)
    if y.ndim == 1 and ridge_block(design, penalty):  # no working set: nothing is 0
        options = {"tol": tol, "max_iter": max_iter, "coef_init": coef_init}
        return solve_glm(design, Squared(), y, alphas, penalty, **options)
    aim = 0.9 * tol  # so that no rounding puts the reported gap over tol
    full = design.has_gram or takes_gram(design.n, design.p, len(alphas), coef_init is not None)
    y, y_mean, q = design.bind(y, gram=full)
    _check_finite(design.sq_norms, q)
    inner = penalty.scaled(design.scale)
    if coef_init is not None:
        coef_init = np.where(design.sq_norms > 0, np.asarray(coef_init, dtype=np.float64) * design.scale, 0.0).T
    gone = nearly_dependent(design, inner, alphas[0])
    solve, solved = _one, design
    if len(gone):
        solve, solved = _one_without, Partial(design, gone)
        if coef_init is not None:
            coef_init[gone] = 0
    G = solved.gram() if full else None
    options = (alphas, inner, aim, max_iter)
    if y.ndim == 1 or multitask:
        return _finish(design, alphas, y_mean, solve(solved, y, q, G, coef_init, *options), tol)
    paths = []
    for t in range(y.shape[1]):
        start = None if coef_init is None else np.ascontiguousarray(coef_init[:, t])
        fits = solve(solved, np.ascontiguousarray(y[:, t]), np.ascontiguousarray(q[:, t]), G, start, *options)
        paths.append(_finish(design, alphas, y_mean[t], fits, tol))
    stack = {
        name: np.stack([getattr(path, name) for path in paths], axis=1)
        for name in ("intercepts", "dual_gaps", "primals", "n_iters", "converged")
    }
    coefs = np.stack([path.dense_coefs() for path in paths], axis=1)
    return Path(alphas=alphas, coefs=coefs, null=np.array([path.null for path in paths]), **stack)


def _one(design, y, q, G, start, alphas, penalty, tol, max_iter):
    """One target (or one set of tasks): (coefs of X̃, gaps, primals, n_iters, P(0)); tasks are the last axis."""
    yy = square_norm(design, y)
    _check_finite(yy)
    strengths = felt(penalty, alphas, design.sq_norms, np.sqrt(yy), max(tol, 1e-14) * yy / 2)
    coefs, gaps, primals, iters = _fits(design, y, q, G, start, strengths, penalty, tol, max_iter, yy)
    for k in np.flatnonzero(strengths < alphas):
        lost = penalty.value(coefs[[k]].toarray()[0] if sparse.issparse(coefs) else coefs[k], alphas[k])
        gaps[k], primals[k] = gaps[k] + lost, primals[k] + lost
    return coefs, gaps, primals, iters, yy / 2


def _fits(design, y, q, G, start, alphas, penalty, tol, max_iter, yy):
    # For a single fit last exact steps may cost two passes over X; along a path it would cost more than the path.
    polish = max(FREE, 2.0 * design.n * design.p) if len(alphas) == 1 else 0.0
    if G is None:
        return _by_working_sets(design, y, q, start, alphas, penalty, tol, max_iter, polish)
    if y.ndim == 2:
        fits, W = [], np.zeros(q.shape) if start is None else start
        for alpha in alphas:
            W, n_iter, gap, primal = solve_blocks(G, np.ascontiguousarray(q), W, penalty, alpha, yy, tol, max_iter)
            fits.append((W, gap, primal, n_iter))
        coefs, gaps, primals, iters = (np.array(part) for part in zip(*fits, strict=True))
    else:
        problem = GramProblem(design.p).bind(G, q, yy, penalty, start)
        coefs, gaps, primals, iters = run_paths([problem], [alphas], tol, max_iter, polish)[0]
    if len(alphas) == 1:
        coefs, gaps, primals = _certify(design, y, G, coefs[0], alphas[0], penalty, tol, max_iter, polish, yy)
    return coefs, gaps, primals, iters


def _one_without(part, y, q, G, start, alphas, penalty, tol, max_iter):
    """As _one, on what some columns leave of y."""
    null = square_norm(part, y) / 2
    rest, q = part.leave(y)
    left = square_norm(part, rest) / 2
    tol = tol * null / left if left > 0 else tol
    coefs, *certificates, _ = _one(part, rest, q, G, start, alphas, penalty, tol, max_iter)
    return part.restore(coefs, y), *certificates, null


def _certify(design, y, G, coef, alpha, penalty, tol, max_iter, polish, yy):
    """The certificate of a single fit, from a fresh residual; refined where the Gram matrix had cancelled too much."""
    r = residual(design, y, coef)
    v = design.xt_r(r)
    gap, primal = certificate(design, y, yy, r, v, coef, penalty, alpha)
    if gap > tol * yy / 2 and y.ndim == 1:
        problem = GramProblem(design.p).bind(G, v + G @ coef, yy, penalty, coef)
        refined = run_paths([problem], [np.array([alpha])], 0.1 * tol, max_iter, polish)[0][0][0]
        r = residual(design, y, refined)
        v = design.xt_r(r)
        again = certificate(design, y, yy, r, v, refined, penalty, alpha)
        if again[0] < gap:
            coef, (gap, primal) = refined, again
    return coef[None], np.array([gap]), np.array([primal])


def _by_working_sets(design, y, q, start, alphas, penalty, tol, max_iter, polish):
    state = WorkingSet(design, y, q, penalty, start)
    compact = y.ndim == 1 and len(alphas) * design.p > DENSE_PATH
    coefs, fits = [], []
    for alpha in alphas:
        fits.append(state.fit(alpha, tol, max_iter, polish))
        coefs.append(state.entries() if compact else state.coef.copy())
    gaps, primals, iters = (np.array(part) for part in zip(*fits, strict=True))
    if compact:
        indices, data = (np.concatenate(part) for part in zip(*coefs, strict=True))
        starts = np.cumsum([0] + [len(cols) for cols, _ in coefs])
        coefs = sparse.csr_array((data, indices, starts), shape=(len(alphas), design.p))
    return coefs if compact else np.array(coefs), gaps, primals, iters


def _finish(design, alphas, y_mean, fits, tol):
    """A Path in the units of X."""
    coefs, gaps, primals, iters, null = fits
    if sparse.issparse(coefs):
        coefs = coefs @ sparse.diags_array(design.mult)
        intercepts = y_mean - coefs @ design.mean
    else:
        coefs, intercepts = design.unscale(coefs.transpose(0, 2, 1) if coefs.ndim == 3 else coefs, y_mean)
    # below some roundings of P(0) no gap can be told from 0
    converged = gaps <= max(tol, 1e-14) * null
    return Path(alphas, coefs, intercepts, gaps, primals, null, iters, converged)
