"""Quadratic models under group penalties, by block coordinate descent on the residual.

Where rows are fewer than columns, a row of a Gram matrix is longer than a column of X and the matrix costs more to make
than most problems to solve: 36 ms for 2000 columns of 1000 rows, where a sweep on the residual takes 1 ms and a visit
that minimises over a group exactly (sweeps.pyx) leaves some fifteen of them to do. Every few sweeps the last iterates
are extrapolated (Anderson, 1965; Bertrand, Massias, 2021): as the residual is linear in them, this costs no pass over
the columns, and it is taken where it lowers the objective.
"""

from functools import partial

import numpy as np

from fastreg._simd.dispatch import dot

from ..design.dense import Dense
from .sweeps import own_grams, sweep_groups

CLOSE = 0.3  # gap of a model, as a share of what is asked of the step
MEMORY = 5  # sweeps between extrapolations
PATIENCE = 400  # extrapolations after which Newton steps are tried
ROUNDING = 1e-15  # share of a bound
CHUNK = 1 << 16  # elements of X copied at a time


def gap(w, g, rr, slack, norms, penalty, alpha, H):
    """Duality gap of ``H/2 ||residual||^2 + penalty(w)``: rr is the residual's square, g the columns' products with it.

    ``slack`` is the square of some residual, for what is rounding; ``norms`` are the columns' squares.
    """
    yr = rr + dot(w, g)
    rounding = 1e-9 * H * np.sqrt(np.maximum(norms, 0) * slack)
    top, charge, extra = penalty.dual_charge(H * g, w, alpha, rounding)
    # at what finite bounds charge the scale is a given
    scale = min(max(yr / rr, 0.0), top) if rr > 0 and charge == 0 else top
    return H * (0.5 * rr - scale * yr + 0.5 * scale * scale * rr) + penalty.value(w, alpha) + charge + extra


class Spectra:
    """Each group's part of a Gram matrix, its diagonal, its eigenvalues and its eigenvectors as rows.

    Parameters
    ----------
    penalty : FeatureGroups
    grams : callable
        The parts (k, size, size) of the columns (k, size) of k groups of one size.
    """

    def __init__(self, penalty, grams):
        self.sizes = penalty.sizes
        squares = self.sizes**2
        self._count(squares)
        self.grams, self.vectors = np.empty(self.starts[-1]), np.empty(self.starts[-1])
        self.norms, self.values, self.largest = np.empty(penalty.p), np.empty(penalty.p), np.empty(len(squares))
        for size in np.unique(self.sizes):
            some = np.flatnonzero(self.sizes == size)
            at = penalty.starts[some][:, None] + np.arange(size)
            flat = self.starts[some][:, None] + np.arange(size * size)
            G = grams(at)
            self.grams[flat] = G.reshape(len(some), -1)
            self.norms[at] = np.diagonal(G, axis1=1, axis2=2)
            values, vectors = np.linalg.eigh(G)
            self.vectors[flat] = vectors.transpose(0, 2, 1).reshape(len(some), -1)
            self.values[at] = np.where(values > 1e-14 * values[:, -1:], values, 0.0)
            self.largest[some] = np.maximum(values[:, -1] * (1 + 1e-10), 0.0)

    def _count(self, squares):
        self.starts = np.concatenate([[0], np.cumsum(squares)])

    def extend(self, other):
        """Further groups."""
        for name in ("sizes", "grams", "vectors", "norms", "values", "largest"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        self._count(self.sizes**2)

    def keep(self, groups):
        """Forget the other groups; ``groups`` a mask."""
        flat = np.repeat(groups, self.sizes**2)
        self.grams, self.vectors = self.grams[flat], self.vectors[flat]
        columns = np.repeat(groups, self.sizes)
        self.norms, self.values = self.norms[columns], self.values[columns]
        self.sizes, self.largest = self.sizes[groups], self.largest[groups]
        self._count(self.sizes**2)


class Packed:
    """Columns of a set as sweeps read them: rows of memory, centred and weighted; and what each group needs.

    They stay while the model's curvatures do.
    """

    def __init__(self, design):
        self.design, self.h = design, None
        self.buffer = np.empty((0, design.n))
        self._forget()

    def _forget(self):
        self.filled, self.mean, self.spectra = 0, np.zeros(0), None

    def keep(self, mask):
        """Forget the other columns, which are whole groups."""
        mask = mask[: self.filled]
        if not self.filled or mask.all():
            return
        first = np.concatenate([[0], np.cumsum(self.spectra.sizes)[:-1]])
        self.spectra.keep(mask[first])
        self.filled = int(mask.sum())
        for to, at in enumerate(np.flatnonzero(mask)):  # one at a time: no copy of all
            if to != at:
                self.buffer[to] = self.buffer[at]
        self.mean = self.mean[mask]

    def fill(self, cols, penalty, h):
        """The columns under curvatures h, which sum to 1, as rows (m, n)."""
        design = self.design
        if self.h is None or not np.array_equal(h, self.h):
            self._forget()
            self.h, self.root = h, np.sqrt(h)
        old, m = self.filled, len(cols)
        if m > len(self.buffer):
            grown = np.empty((max(m, len(self.buffer) + len(self.buffer) // 2), design.n))
            grown[:old] = self.buffer[:old]
            self.buffer = grown
        if m > old:
            step = max(1, CHUNK // design.n)
            for start in range(old, m, step):
                stop = min(m, start + step)
                np.multiply(design.take(cols[start:stop]).T, self.root, out=self.buffer[start:stop])
            new = self.buffer[old:m]
            mean = np.zeros(m - old)
            if design.fit_intercept:
                mean = products(new, self.root)
                new -= np.outer(mean, self.root)
            self.mean = np.concatenate([self.mean, mean])
            part = Spectra(penalty.take(np.arange(old, m)), partial(own_grams, new))
            if old:
                self.spectra.extend(part)
            else:
                self.spectra = part
            self.filled = m
        return self.buffer[:m]


def products(rows, r):
    """rows @ r, by our threads."""
    return Dense(rows.T).dots(r[None, :], np.zeros(len(rows)))[0]


def descend(packed, cols, penalty, h, u, coef, alpha, goal):
    """Minimise the model of curvatures h and descent u: (coefficients, intercept's shift, decrease, whether solved)."""
    H = float(h.sum())
    rows = packed.fill(cols, penalty, h / H)
    U = float(u.sum()) / H if packed.design.fit_intercept else 0.0
    first = packed.root * (u / h - U)
    r, w = first.copy(), np.array(coef)
    slack, norms = dot(first, first), packed.spectra.norms
    before = penalty.value(coef, alpha)
    solved = False
    for _ in range(PATIENCE):
        trace = [(w.copy(), r.copy())]
        for _ in range(MEMORY):
            sweep_groups(rows, r, w, penalty, packed.spectra, alpha, H, 1, True)
            trace.append((w.copy(), r.copy()))
        best = extrapolate(trace, penalty, alpha, H)
        if best is not None:
            w[:], r[:] = best
        g = products(rows, r)
        if gap(w, g, dot(r, r), slack, norms, penalty, alpha, H) <= CLOSE * goal:
            solved = True
            break
    gained = 0.5 * H * dot(first - r, first + r) + before - penalty.value(w, alpha)
    return w, U - dot(packed.mean, w - coef), gained, solved


def extrapolate(trace, penalty, alpha, H):
    """The combination of iterates and residuals whose next move would be least, if it is lower than the last."""
    W, R = (np.array(part) for part in zip(*trace, strict=True))
    moves = np.diff(W, axis=0)
    C = np.einsum("im,jm->ij", moves, moves)
    C[np.diag_indices_from(C)] += 1e-14 * np.trace(C)
    try:
        c = np.linalg.solve(C, np.ones(len(C)))
    except np.linalg.LinAlgError:
        return None
    c /= c.sum()
    w, r = np.einsum("i,im->m", c, W[1:]), np.einsum("i,in->n", c, R[1:])
    if penalty.bounded:
        low, high = penalty.lower * (1 - ROUNDING), penalty.upper * (1 - ROUNDING)
        inside = np.where(w <= low, penalty.lower, np.where(w >= high, penalty.upper, w))
        if (np.abs(inside - w) > 4 * ROUNDING * np.abs(w)).any():
            return None
        w = inside
    lower = 0.5 * H * dot(R[-1] - r, R[-1] + r) + penalty.value(W[-1], alpha) - penalty.value(w, alpha)
    return (w, r) if lower > 0 else None
