"""Cross-validation errors along a grid: the folds share what they can.

Where the Gram matrix of all columns is affordable, every test fold's Gram matrix is made (one pass over X for all of
them), and a training fold's is the total less its own: ``G_train = G - G_k``, recentred on the training means. The
errors on test rows come from the same numbers. Else a training fold is the whole X with weight 0 on the test rows:
nothing is copied, and the residual of a fit has the test errors in it.
"""

import numpy as np

from ..design import Design
from ..penalties.features import FeatureL1L2
from .gram import GramProblem, run_paths
from .multitask_newton import solve_blocks
from .path import _check_finite, solve_path, takes_gram
from .result import Path
from .working_set import WorkingSet

FOLD_BYTES = 1 << 30  # what the folds' Gram matrices may take together
TOGETHER = 1 << 22  # entries of Newton factors that may be there at once


def cv_errors(
    X,
    y,
    sample_weight,
    folds,
    alphas,
    l1_ratios,
    *,
    fit_intercept=True,
    standardize=False,
    factor=None,
    lower=None,
    upper=None,
    tol=1e-4,
    max_iter=1000,
    multitask=False,
    design=None,
    stages=None,
):
    """Weighted mean squared error on each test fold, for each l1_ratio and alpha.

    Parameters
    ----------
    X : as for Design
    y : ndarray of shape (n,) or, with ``multitask``, (n, T)
    sample_weight : ndarray of shape (n,) or None
    folds : list of (train, test) row numbers
    alphas : ndarray of shape (n_l1_ratio, n_alphas), decreasing along axis 1
    l1_ratios : sequence of float
    fit_intercept, standardize, factor, lower, upper, tol, max_iter, multitask
        As for ``Design``, ``FeatureL1L2`` and ``solve_path``.
    design : Design, optional
        That of all rows, made of the same, if there is one.
    stages : callable, optional
        ``stages(solve, part, alphas, penalty, each=)`` returns a Path of fits that are made of several, each a
        ``solve(part, alphas, penalty, coef_init=None)``; ``part`` is the fold's Design, or its `Moments`. One target.

    Returns
    -------
    ndarray of shape (n_l1_ratio, n_alphas, n_folds)
        With several targets the mean over them.
    """
    n, p = X.shape
    alphas = np.ascontiguousarray(alphas, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    if y.ndim == 2 and not multitask:
        raise ValueError("y must be 1-D unless multitask=True.")
    penalties = [FeatureL1L2(p, l1_ratio, factor, lower, upper) for l1_ratio in l1_ratios]
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    for k, (train, test) in enumerate(folds):
        for name, rows in (("training", train), ("test", test)):
            if not weight[rows].sum() > 0:
                raise ValueError(f"sample_weight sums to zero on the {name} rows of fold {k}; use other folds.")
    gram = takes_gram(n, p, alphas.size) and (2 * len(folds) + 2) * 8 * p * p <= FOLD_BYTES
    run = _on_grams if gram else _by_masks
    if design is None:
        design = Design(X, sample_weight, fit_intercept=fit_intercept, standardize=standardize)
    return run(design, y, weight, folds, alphas, penalties, tol, max_iter, stages)


class Moments:
    """The least-squares problem of a fold by its Gram matrix, in the units of X̃."""

    def __init__(self, G, q, yy):
        self.G, self.q, self.yy, self.scale = G, q, yy, np.ones(len(q))

    def part(self, cols):
        """Some of the columns."""
        return Moments(np.ascontiguousarray(self.G[np.ix_(cols, cols)]), self.q[cols], self.yy)

    def solve(self, alphas, penalty, tol, max_iter, coef_init=None):
        """The Path, without intercepts."""
        problem = GramProblem(len(self.q)).bind(self.G, self.q, self.yy, penalty, coef_init)
        return self._path(alphas, *run_paths([problem], [np.ascontiguousarray(alphas)], tol, max_iter)[0], tol)

    def solve_each(self, alphas, penalties, tol, max_iter):
        """The Path of fits under a penalty for each alpha, side by side."""
        problems = [GramProblem(len(self.q)).bind(self.G, self.q, self.yy, penalty) for penalty in penalties]
        fits = run_paths(problems, np.ascontiguousarray(alphas)[:, None], tol, max_iter)
        return self._path(alphas, *(np.concatenate(part) for part in zip(*fits, strict=True)), tol)

    def _path(self, alphas, coefs, gaps, primals, iters, tol):
        null = self.yy / 2
        return Path(alphas, coefs, np.zeros(len(alphas)), gaps, primals, null, iters, gaps <= max(tol, 1e-14) * null)


class _Sums:
    """Weighted sums over some rows, about common centres: all that a least-squares fit or error needs."""

    def __init__(self, S, x, y, G, Q, yy):
        self.S, self.x, self.y, self.G, self.Q, self.yy = S, x, y, G, Q, yy

    def __sub__(self, other):
        return _Sums(*(a - b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def __add__(self, other):
        return _Sums(*(a + b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def parts(self):
        return self.S, self.x, self.y, self.G, self.Q, self.yy

    def problem(self, fit_intercept, standardize):
        """(G, Q, yy, means of x, mean of y, scale) of the fit on these rows."""
        S = self.S
        mx, my = (self.x / S, self.y / S) if fit_intercept else (np.zeros_like(self.x), np.zeros_like(self.y))
        G = self.G / S - np.outer(mx, mx)
        Q = self.Q / S - np.outer(mx, my)
        yy = max(self.yy / S - my @ my, 0.0)
        second = np.diagonal(self.G) / S
        dead = np.diagonal(G) <= 1e-13 * second  # constant on these rows: what is left is rounding
        G[dead], G[:, dead], Q[dead] = 0, 0, 0
        scale = np.ones(len(mx))
        if standardize:
            scale = np.sqrt(np.diagonal(G))
            scale[dead] = 1
            G /= np.outer(scale, scale)
            Q /= scale[:, None]
        return G, Q, yy, mx, my, scale

    def errors(self, coefs, mx, my):
        """Mean squared error on these rows for coefs (K, T, p) of a fit with such means; summed over targets."""
        b = my - coefs @ mx
        flat = coefs.reshape(-1, coefs.shape[2])
        quad = np.einsum("kp,kp->k", flat @ self.G, flat).reshape(b.shape)
        cross = np.einsum("ktp,pt->kt", coefs, self.Q)
        total = quad - 2 * cross - 2 * b * (self.y - coefs @ self.x) + b * b * self.S
        return np.maximum((self.yy + total.sum(axis=1)) / self.S, 0)


def _fold_sums(design, y, folds):
    """(training sums, test sums) of each fold; the design is left with the Gram matrix of all rows if it comes by."""
    y, _ = design.center(y)
    y = y.reshape(design.n, -1)

    def sums(rows):
        return _Sums(*design.sums(y, np.ascontiguousarray(rows, dtype=np.intp)))

    tests = [sums(test) for _, test in folds]
    complement = all(
        (np.bincount(np.concatenate(fold), minlength=design.n) == 1).all()
        for fold in folds  # train and test
    )
    if not complement:
        return [sums(train) for train, _ in folds], tests
    seen = np.bincount(np.concatenate([test for _, test in folds]), minlength=design.n)
    if (seen == 1).all():
        total = tests[0]
        for test in tests[1:]:
            total = total + test
    else:
        total = sums(np.arange(design.n))
    design.adopt_gram(total.G)
    return [total - test for test in tests], tests


def _on_grams(design, y, weight, folds, alphas, penalties, tol, max_iter, stages):
    trains, tests = _fold_sums(design, y, folds)
    out = np.empty((*alphas.shape, len(folds)))
    problems = [train.problem(design.fit_intercept, design.standardize) for train in trains]
    del trains
    for i, penalty in enumerate(penalties):
        # Tighter than asked, for nothing: at tol, coefficients of one alpha would often do for the next ones, and which
        # of the equal errors is least would be up to rounding.
        paths = _fold_paths(problems, alphas[i], penalty, 1e-3 * tol, max_iter, y.ndim, stages)
        for k, (coefs, (_, _, _, mx, my, scale)) in enumerate(zip(paths, problems, strict=True)):
            out[i, :, k] = tests[k].errors(coefs / scale, mx, my) / len(my)
    return out


def _fold_paths(problems, alphas, penalty, tol, max_iter, ndim, stages):
    """Each fold's coefficients (K, T, p), in standardised units."""
    scaled = [penalty.scaled(problem[5]) for problem in problems]
    for G, Q, yy, *_ in problems:
        _check_finite(np.diagonal(G), Q, yy)
    if stages is not None:

        def solve(part, alphas, penalty, **start):
            return part.solve(alphas, penalty, tol, max_iter, **start)

        def each(part, alphas, penalties):
            return part.solve_each(alphas, penalties, tol, max_iter)

        together = {"each": each} if len(alphas) * len(problems[0][1]) ** 2 <= TOGETHER else {}
        parts = [Moments(G, np.ascontiguousarray(Q[:, 0]), yy) for G, Q, yy, *_ in problems]
        paths = [stages(solve, part, alphas, inner, **together) for part, inner in zip(parts, scaled, strict=True)]
        return [path.coefs[:, None, :] for path in paths]
    if ndim == 1:
        jobs = [
            GramProblem(len(Q)).bind(G, np.ascontiguousarray(Q[:, 0]), yy, inner)
            for (G, Q, yy, *_), inner in zip(problems, scaled, strict=True)
        ]
        return [result[0][:, None, :] for result in run_paths(jobs, [alphas] * len(jobs), tol, max_iter)]
    paths = []
    for (G, Q, yy, *_), inner in zip(problems, scaled, strict=True):
        Q, W, coefs = np.ascontiguousarray(Q), np.zeros(Q.shape), []
        for alpha in alphas:
            W = solve_blocks(G, Q, W, inner, alpha, yy, tol, max_iter)[0]
            coefs.append(W.T)
        paths.append(np.array(coefs))
    return paths


def _by_masks(whole, y, weight, folds, alphas, penalties, tol, max_iter, stages):
    out = np.empty((*alphas.shape, len(folds)))

    def solve(part, alphas, penalty, **start):
        return solve_path(part, y, alphas, penalty, tol=tol, max_iter=max_iter, **start)

    for k, (train, test) in enumerate(folds):
        design = whole.fold(train, weight)
        if stages is not None:
            for i, penalty in enumerate(penalties):
                path = stages(solve, design, alphas[i], penalty)
                square = (y[test] - design.predict(path.coefs, path.intercepts, test)) ** 2
                out[i, :, k] = np.average(square, axis=1, weights=weight[test])
            continue
        centred, _, q = design.bind(y)
        for i, penalty in enumerate(penalties):
            state = WorkingSet(design, centred, q, penalty.scaled(design.scale))
            for j, alpha in enumerate(alphas[i]):
                state.fit(alpha, tol, max_iter)
                square = state.r[test] ** 2
                out[i, j, k] = np.average(square if square.ndim == 1 else square.mean(axis=1), weights=weight[test])
    return out
