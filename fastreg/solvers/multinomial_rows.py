"""Steps on all classes of a multinomial model, feature by feature.

The model is that of multinomial_newton.py, exact in how classes depend on each other. It is minimised by sweeps over
groups of features, each with its coefficients for all classes (class_sweeps.pyx); every few sweeps the last iterates
are extrapolated, as in group_descent.py, and the model's duality gap says when to end.
"""

import numpy as np

from ..penalties.features import FeatureL1L2
from .class_sweeps import ClassModel
from .group_descent import MEMORY, extrapolate, gap
from .multinomial_newton import advance

ROUNDS = 40  # of sweeps on a model, at most
ENOUGH = 1e-3  # of the goal, that a sweep gains at the end where nothing is charged on some
TINY = 1e-9  # a row's probability of its class, at least: no residual is more than one over its root


class PackedColumns:
    """Columns of X̃ times the roots of weights, as sweeps read them; dense ones stay where they are while in the set."""

    def __init__(self, design):
        self.design = design
        self.buffer = np.empty((0, design.n))
        self.slot = np.full(design.p, -1)

    def take(self, cols):
        """(x, starts) or (data, starts, rows): see ClassModel."""
        design = self.design
        if design.storage.is_sparse:  # not centred, as intercepts are free
            mult = np.where(design.sq_norms > 0, design.mult, 0.0)
            data, rows, starts = design.storage.take(cols, mult, design.root)
            return data, starts.astype(np.intp), rows
        mask = np.zeros(design.p, dtype=bool)
        mask[cols] = True
        self.slot[~mask] = -1
        new = cols[self.slot[cols] < 0]
        if len(cols) > len(self.buffer):
            grown = np.empty((len(cols) + len(cols) // 4, design.n))
            grown[: len(self.buffer)] = self.buffer
            self.buffer = grown
        used = np.zeros(len(self.buffer), dtype=bool)
        used[self.slot[cols[self.slot[cols] >= 0]]] = True
        free = np.flatnonzero(~used)[: len(new)]
        for at, col in zip(free, new, strict=True):
            self.slot[col] = at
        for start in range(0, len(new), 64):
            some = new[start : start + 64]
            self.buffer[self.slot[some]] = design.take(some).T * design.root
        return self.buffer, self.slot[cols] * design.n


def charges(penalty, alpha, K):
    """(where groups begin and end, l1, l2, t) of neighbouring columns; a group's norm is over K classes."""
    if isinstance(penalty, FeatureL1L2):
        each, ratio = alpha * penalty.factor, penalty.l1_ratio
        return np.arange(penalty.p + 1), ratio * each, (1 - ratio) * each, 0 * each
    return penalty.starts, alpha * penalty.each, 0 * penalty.each, alpha * np.sqrt(K) * penalty.weight


def minimum(model, coef, penalty, across, alpha, goal):
    """(coefficients (K, m), whether that is the model's minimum to within ``goal``); intercepts are the model's shift.

    Parameters
    ----------
    model : ClassModel
    coef : ndarray of shape (K, m)
    penalty : of its columns
    across : the same of all classes' coefficients, one class after the other, and of K that are free
    alpha, goal : float
    """
    K = len(coef)
    bounds, *parts = charges(penalty, alpha, K)
    H, W = model.curvatures(bounds), np.array(coef.T, order="C")
    limits = (penalty.lower, penalty.upper) if penalty.bounded else (None, None)
    scale, size = np.sqrt(np.maximum(model.p, 1e-300)), np.maximum(model.p, TINY)
    free = (alpha * penalty.factor == 0).any()  # then the gap is infinite up to the end
    even = not (parts[0].any() or parts[1].any() or penalty.bounded)  # a norm is least at the mean, unseen by the loss

    def square():
        return float(np.einsum("ij,ij->", model.r / size, model.r))

    def here():
        return np.concatenate([W.T.ravel(), model.shift]), (model.r / scale).ravel()

    norms, slack = np.concatenate([H.T.ravel(), np.zeros(K)]), square()
    for _ in range(ROUNDS):
        trace = [here()]
        for k in range(MEMORY):
            gained = model.sweep(W, H, bounds, *parts, *limits, k > 0)
            trace.append(here())
        best = extrapolate(trace, across, alpha, 1.0)
        if best is not None:
            w, rest = best
            W[:] = w[:-K].reshape(K, -1).T
            model.shift[:] = w[-K:]
            model.r[:] = rest.reshape(model.r.shape) * scale
        if even:
            W -= W.mean(axis=1, keepdims=True)
        g = np.concatenate([-model.gradients().T.ravel(), np.zeros(K)])
        left = gap(here()[0], g, square(), slack, norms, across, alpha, 1.0)
        if left <= goal or not gained > (ENOUGH * goal if free else 0):
            return W.T, True
    return W.T, False


def rows_step(state, alpha, goal):
    """One step on all classes, feature by feature: the decrease that it promised, whether its model was solved."""
    design, K = state.design, state.K
    cols = state.together()
    value, gradient, p = state.slopes()
    penalty, across = state.charged(cols)
    root, old = design.root, state.coef[:, cols]
    columns = state.packed.take(cols)
    model = ClassModel(columns, root, p, gradient / np.where(root > 0, root, 1.0), design.fit_intercept)
    new, solved = minimum(model, old, penalty, across, alpha, goal)
    move = np.ascontiguousarray((new - old).T)
    linear = np.ascontiguousarray(design.xw(move, cols).T)
    shift = model.shift + (design.mean * design.mult)[cols] @ move if design.storage.is_sparse else model.shift
    split = [slice(k * len(cols), (k + 1) * len(cols)) for k in range(K)]
    way = np.concatenate([old.ravel(), np.zeros(K)]), np.concatenate([new.ravel(), shift])
    promise = advance(state, alpha, across, [cols] * K, split, way, (linear, shift), (value, gradient))
    for part in state.parts:
        part._join(cols[part.coef[cols] != 0])
    return promise, solved
