"""Newton steps on the coefficients of all classes at once, for multinomial models.

The model has the exact curvature: with p the probabilities of a row, s its weight and X̃_k a class's columns (the
constant among them), the block of classes k and l is ``X̃_k' s(p_k [k = l] - p_k p_l) X̃_l`` (Böhning, 1992). So all of
it is a block a class less the Gram matrix of the columns ``p_k X̃_k``. It is minimised as any model of prox_newton.py; a
line search follows. One class's intercept stays where it is: a shift of all changes nothing.
"""

import numpy as np

from fastreg._simd.dispatch import dot
from fastreg._threads import serial_blas

from ..design import Design
from ..penalties.features import FeatureL1L2
from .gram import GramProblem, run_paths
from .line_search import line_search
from .semidefinite import solver_of

COEFFICIENTS = 2000  # in a model, at most
ELEMENTS = 1 << 24  # of the columns p_k X̃_k, at most
RIDGE = 1e-11  # of a column's curvature: no step along what the loss doesn't see, where nothing is charged on it either


def few(sets, n):
    """Whether all classes' sets of columns together are few enough for a model."""
    m = sum(len(cols) for cols in sets) + len(sets)
    return m <= COEFFICIENTS and m * n <= ELEMENTS


def curvature(design, p, sets):
    """(starts, G) of the coefficients in the classes' sets, then of the free intercepts, at probabilities p (K, n).

    A class's part begins at its start.
    """
    K, s = len(sets), design.weights
    starts = np.concatenate([[0], np.cumsum([len(cols) for cols in sets])])
    m, free = starts[-1], K - 1 if design.fit_intercept else 0
    if not m:
        some = p[1 : 1 + free]
        weighted = s * some
        return starts, np.diag(weighted.sum(axis=1)) - np.einsum("in,jn->ij", some, weighted)
    columns = np.empty((design.n, m + free), order="F")
    G = np.zeros((m + free, m + free))
    for k, cols in enumerate(sets):
        own = slice(starts[k], starts[k + 1])
        weight = s * p[k]
        if len(cols):
            columns[:, own] = design.take(cols) * p[k][:, None]
            G[own, own], cross = design.reweighted(weight, cols)
        if free and k:  # the first class's intercept is the one that stays
            at = m + k - 1
            columns[:, at], G[at, at] = p[k], weight.sum()
            if len(cols):
                G[own, at] = G[at, own] = cross
    G -= Design(columns, s, fit_intercept=False).gram()
    return starts, np.ascontiguousarray(G)


def correlations(design, U, sets):
    """Of the same coefficients with U (K, n)."""
    parts = [design.xt(u, cols) if len(cols) else np.zeros(0) for u, cols in zip(U, sets, strict=True)]
    return np.concatenate([*parts, U[1:].sum(axis=1)] if design.fit_intercept else parts)


def moved(design, sets, move):
    """(X̃w (K, n), shifts (K,)) of a move of the same coefficients."""
    starts = np.concatenate([[0], np.cumsum([len(cols) for cols in sets])])
    linear, shift = np.zeros((len(sets), design.n)), np.zeros(len(sets))
    for k, cols in enumerate(sets):
        if len(cols):
            linear[k] = design.xw(move[starts[k] : starts[k + 1]], cols)
    if design.fit_intercept:
        shift[1:] = move[starts[-1] :]
    return linear, shift


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
    if (alpha == 0 or penalty.l1_ratio == 0) and not penalty.bounded:  # no kinks: a linear system
        l2 = alpha * (1 - penalty.l1_ratio) * sub.factor
        with serial_blas(np.inf, size):
            return sub, old + solver_of(G + np.diag(l2))(c - l2 * old)
    product = np.einsum("ij,j->i", G, old)
    yy = max(dot(old, product) + 2 * dot(old, c) + slack, 1e-300)
    problem = GramProblem(size).bind(G, product + c, yy, sub, old)
    return sub, run_paths([problem], [np.array([alpha])], max(2 * goal / yy, 1e-15), 1000)[0][0][0]


def joint_step(state, alpha, goal):
    """One step, its model solved to within ``goal``; the decrease that it promised."""
    design, parts = state.design, state.parts
    value, gradient, p = state.slopes()
    sets = [part.block.cols for part in parts]
    starts, G = curvature(design, p, sets)
    c = correlations(design, -gradient, sets)
    m, size = starts[-1], len(c)
    if not size:
        return 0.0
    old = np.concatenate([*(part.coef[cols] for part, cols in zip(parts, sets, strict=True)), np.zeros(size - m)])
    G[np.diag_indices_from(G)] *= 1 + RIDGE
    # the square of the model's residual: of e_y - p under the curvature's inverse, for the rows
    truth = np.maximum(p[state.y.astype(np.intp), np.arange(design.n)], 1e-12)
    sub, new = state.minimum(np.concatenate(sets), G, c, old, dot(state.s, 1 / truth - 1), alpha, goal)
    linear, shift = moved(design, sets, new - old)
    split = [slice(a, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return advance(state, alpha, sub, sets, split, (old, new), (linear, shift), (value, gradient))


def advance(state, alpha, penalty, sets, split, way, predictions, loss):
    """Go along a way, as far as the objective falls by its share; the decrease that the model promised.

    Parameters
    ----------
    penalty : of the coefficients that move
    sets, split : lists
        Each class's columns, and where its coefficients are among these.
    way : (old, new)
    predictions : (linear, shift)
        What becomes of each class's X̃w (K, n) and intercept (K,).
    loss : (value, gradient (K, n)) at the old ones
    """
    old, new = way
    linear, shift = predictions
    value, gradient = loss
    move, before = new - old, penalty.value(old, alpha)
    slope = penalty.value(new, alpha) - before + float(np.einsum("kn,kn->", gradient, linear))
    slope += dot(shift, gradient.sum(axis=1))
    raw = state.raw()

    def trial(t):
        there = np.ascontiguousarray((raw + t * (linear + shift[:, None])).T)
        return state.loss(there, state.y, state.s)[0] + penalty.value(old + t * move, alpha), None

    t, _ = line_search(trial, value, before, slope)
    if t == 0:
        return 0.0
    for k, (part, cols, own) in enumerate(zip(state.parts, sets, split, strict=True)):
        part.coef[cols] = new[own] if t == 1 else old[own] + t * move[own]
        part.predictor.linear = part.predictor.linear + t * linear[k]
        part.predictor.b += t * shift[k]
    return max(-slope, 0.0)
