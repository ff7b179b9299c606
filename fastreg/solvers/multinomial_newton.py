"""Newton steps on the coefficients of all classes at once, for multinomial models.

The model has the exact curvature: with p the probabilities of a row, s its weight and X̃_k a class's columns (the
constant among them), the block of classes k and l is ``X̃_k' s(p_k [k = l] - p_k p_l) X̃_l`` (Böhning, 1992). So all of
it is a block a class less the Gram matrix of the columns ``p_k X̃_k``. It is minimised as any model of prox_newton.py; a
line search follows. One class's intercept stays where it is: a shift of all changes nothing.
"""

import numpy as np

from fastreg._simd.dispatch import dot

from ..design import Design
from ..penalties.features import FeatureL1L2
from .gram import GramProblem, run_paths
from .prox_newton import ARMIJO

COEFFICIENTS = 2000  # in a model, at most
ELEMENTS = 1 << 24  # of the columns p_k X̃_k, at most


def fits(state):
    """Whether all classes' sets of columns together are few enough."""
    m = sum(len(part.block.cols) for part in state.parts) + state.K
    return m <= COEFFICIENTS and m * state.design.n <= ELEMENTS


def _model(state, p, U):
    """Curvature and descent (M, M), (M,) of the coefficients in the classes' sets, then of the free intercepts."""
    design, K = state.design, state.K
    sets = [part.block.cols for part in state.parts]
    starts = np.concatenate([[0], np.cumsum([len(cols) for cols in sets])])
    m, free = starts[-1], K - 1 if design.fit_intercept else 0
    columns = np.empty((design.n, m + free), order="F")
    G, q = np.zeros((m + free, m + free)), np.empty(m + free)
    for k, cols in enumerate(sets):
        own = slice(starts[k], starts[k + 1])
        weight = state.s * p[k]
        columns[:, own] = design.take(cols) * p[k][:, None]
        q[own] = design.xt(U[k], cols)
        if len(cols):
            G[own, own], cross = design.reweighted(weight, cols)
        if free and k:  # the first class's intercept is the one that stays
            at = m + k - 1
            columns[:, at], q[at], G[at, at] = p[k], U[k].sum(), weight.sum()
            if len(cols):
                G[own, at] = G[at, own] = cross
    if m + free:
        G -= Design(columns, state.s, fit_intercept=False).gram()
    return sets, starts, np.ascontiguousarray(G), q


def minimum(penalty, joined, G, c, old, slack, alpha, goal):
    """(penalty, coefficients) of the joined columns and then the free intercepts, where the model is least."""
    size = len(c)
    rest = np.zeros(size - len(joined))
    sub = FeatureL1L2(
        size,
        penalty.l1_ratio,
        np.concatenate([penalty.factor[joined], rest]),
        np.concatenate([penalty.lower[joined], rest - np.inf]),
        np.concatenate([penalty.upper[joined], rest + np.inf]),
    )
    product = np.einsum("ij,j->i", G, old)
    yy = max(dot(old, product) + 2 * dot(old, c) + slack, 1e-300)
    problem = GramProblem(size).bind(G, product + c, yy, sub, old)
    return sub, run_paths([problem], [np.array([alpha])], max(2 * goal / yy, 1e-15), 1000)[0][0][0]


def joint_step(state, alpha, goal):
    """One step, its model solved to within ``goal``; the decrease that it promised."""
    design, parts, K = state.design, state.parts, state.K
    raw = state.raw()
    value, gradient, _ = state.loss(np.ascontiguousarray(raw.T), state.y, state.s)
    p = np.ascontiguousarray(state.loss.predict(raw.T).T)
    sets, starts, G, c = _model(state, p, np.ascontiguousarray(-gradient.T))
    m, size = starts[-1], len(c)
    if not size:
        return 0.0
    old = np.concatenate([*(part.coef[cols] for part, cols in zip(parts, sets, strict=True)), np.zeros(size - m)])
    # the square of the model's residual: of e_y - p under the curvature's inverse, for the rows
    truth = np.maximum(p[state.y.astype(np.intp), np.arange(design.n)], 1e-12)
    sub, new = state.minimum(np.concatenate(sets), G, c, old, dot(state.s, 1 / truth - 1), alpha, goal)
    move = new - old
    shift = np.zeros(K)
    if design.fit_intercept:
        shift[1:] = move[m:]
    linear = np.array(
        [
            design.xw(move[starts[k] : starts[k + 1]], cols) if len(cols) else np.zeros(design.n)
            for k, cols in enumerate(sets)
        ]
    )
    before = sub.value(old, alpha)
    slope = sub.value(new, alpha) - before - dot(c, move)
    start, rounding = value + before, 1e-14 * (abs(value) + before)
    if not slope <= rounding:
        return 0.0
    t = 1.0
    for _ in range(60):
        trial = np.ascontiguousarray((raw + t * (linear + shift[:, None])).T)
        after = state.loss(trial, state.y, state.s)[0] + sub.value(old + t * move, alpha)
        if after <= start + ARMIJO * t * slope + rounding:
            break
        t *= 0.5
    else:
        return 0.0
    for k, (part, cols) in enumerate(zip(parts, sets, strict=True)):
        own = slice(starts[k], starts[k + 1])
        part.coef[cols] = new[own] if t == 1 else old[own] + t * move[own]
        part.predictor.linear = part.predictor.linear + t * linear[k]
        part.predictor.b += t * shift[k]
    return max(-slope, 0.0)
