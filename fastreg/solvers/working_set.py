"""Working sets: solve on the few columns that matter, certify on all of them.

A round solves the problem on a set of columns, makes a pass ``X̃'r`` over X, or over those of its columns that may
matter (correlations.py), and reads off it the duality gap of the whole problem, the columns that violate optimality
(they join), and the strong rule's guess for the next alpha (Tibshirani et al., 2012). Between distant alphas it stops
at some on the way: a set chosen at a small alpha from correlations at a large one would be full of columns that don't
matter.

The set's subproblem is solved on its Gram matrix, which grows with it, or, for sparse columns that are shorter than a
row of that matrix, on the residual; where that turns out slow it moves to the Gram matrix as well.
"""

import numpy as np

from fastreg._simd.dispatch import dot

from ..penalties.features import gap as duality_gap
from .columns import SURE, TALL, Block, ColumnSet
from .coordinate import residual_descent
from .correlations import Correlations, size_of, square_norm

NEARLY = 0.85  # a pass over tall X is dear: columns so near to violating optimality join with those that do
NEAR_ROWS = 0.7  # the same where rows are contiguous, so that even the pass of a last short round reads all of X
ROUNDING = 1 + 1e-12  # a correlation this much over its threshold may be at it
FEW = 0.02  # share of a set whose joining it hardly changes what the set's own gap should be
GRAM_COLUMNS = 4000  # beyond, a Gram matrix is no longer cheap to hold
SHORT = 2.0  # non-zeros of a sparse column, in rows of the Gram matrix, that are still visited one by one


class SparseBlock(Block):
    """Columns of a sparse design: on the residual while that is the cheaper way."""

    # Columns are cheap and sweeps slow: grow fast, solve loosely until the set is complete.
    growth = 4.0
    start, share = 1e-2, 0.3
    step = 0.3

    def __init__(self, design, q, yy, penalty, y):
        super().__init__(design, q, yy, penalty)
        self.y = design.root * y
        self.packed = (np.empty(0), np.empty(0, np.int32), np.zeros(1, np.int64))
        self.slow = False  # whether the residual has been seen to be the slower way

    def keep(self, mask):
        super().keep(mask)
        self.packed = (np.empty(0), np.empty(0, np.int32), np.zeros(1, np.int64))

    def _pack(self):
        """Columns as they are visited: scaled, weighted, one after another."""
        have = len(self.packed[2]) - 1
        if len(self.cols) > have:
            design, old = self.design, self.packed
            data, indices, indptr = design.storage.take(self.cols[have:], design.mult, design.root)
            self.packed = (
                np.concatenate([old[0], data]),
                np.concatenate([old[1], indices]),
                np.concatenate([old[2], old[2][-1] + indptr[1:]]),
            )
        return self.packed

    def solve(self, coef, last, alpha, tol, max_iter, polish):
        design, m = self.design, len(self.cols)
        small = m <= GRAM_COLUMNS
        if coef.ndim == 2 or (small and self.slow):
            return super().solve(coef, last, alpha, tol, max_iter, polish)
        packed = self._pack()
        nnz = len(packed[0])
        if small and nnz > SHORT * m * m:
            return super().solve(coef, last, alpha, tol, max_iter, polish)
        w = np.clip(coef, self.sub.lower, self.sub.upper)
        used = np.flatnonzero(w)
        scaled = w[used] * design.mult[self.cols[used]]
        r = self.y - design.root * design.storage.combine(self.cols[used], scaled[None, :], np.zeros(len(used)))[0]
        total = dot(design.root, r) if design.fit_intercept else 0.0
        means = design.mean[self.cols] * design.mult[self.cols]
        # Give up where the Gram matrix of the set would have been cheaper.
        budget = 10.0 * nnz * max(1.0, nnz / design.n) + 10.0 * m * m + 1e5 if small else np.inf
        n_iter, gap = residual_descent(
            *packed, means, design.sq_norms[self.cols], self.y, r, w, self.sub, alpha, total, tol * self.yy / 2,
            max_iter, budget,
        )  # fmt: skip
        if small and gap > tol * self.yy / 2 and n_iter < max_iter:
            self.slow = True
            w, more = super().solve(w, alpha, alpha, tol, max_iter - n_iter, polish)
            n_iter += more
        return w, n_iter


class WorkingSet(ColumnSet):
    """One target's path by working sets; coefficients are those of X̃, (p,) or rows (p, T).

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,) or (n, T), centred
    q : ndarray, X̃'(s∘y)
    penalty : FeatureL1L2 in the units of X̃
    coef : ndarray, optional
        Where to start.
    """

    def __init__(self, design, y, q, penalty, coef=None):
        self.design, self.y, self.penalty = design, y, penalty
        self.yy = square_norm(design, y)
        sparse = design.storage.is_sparse and y.ndim == 1
        self.block = SparseBlock(design, q, self.yy, penalty, y) if sparse else Block(design, q, self.yy, penalty)
        self.wide = design.n < TALL * design.p
        self.inside = np.zeros(design.p, dtype=bool)
        self.coef = np.zeros(q.shape)
        self.r = y
        self.seen = Correlations(design, y, q)
        self.last = None  # the alpha that the coefficients are of
        self.complete = False  # whether the strong rule's guess at that alpha lacked only few columns
        self.warm = coef is not None
        free = np.flatnonzero((penalty.factor == 0) & (design.sq_norms > 0))
        start = np.flatnonzero(size_of(coef)) if coef is not None else free[:0]
        self._join(np.union1d(free, start))
        if len(start):
            self.coef[:] = coef
            self._refresh()

    def _refresh(self):
        """The residual, from scratch."""
        self.seen.move(self._residual())

    def _residual(self):
        if self.r is None:
            self.r = residual(self.design, self.y, self.coef, self._used())
        return self.r

    def _read(self, threshold):
        """Bring X̃'r up to date in the set, and where it may exceed the threshold times a feature's factor."""
        if self.penalty.bounded:  # signs count as well: all
            threshold = -np.inf
        elif not self.penalty.even:
            threshold = threshold * self.penalty.factor
        self.seen.read(threshold, self.inside)

    def _correlations(self, threshold):
        """X̃'r, with its signs, or the norms of its rows: what the penalty looks at; old where under the threshold."""
        self._read(threshold)
        v = self.seen.v
        return v if v.ndim == 1 else size_of(v)

    def _admit_violators(self, l1):
        """Let in columns that violate optimality; how many joined.

        In a tall design a pass is dear, a column more in the set is not: those that are near to violating it join too.
        """
        if self.wide:
            return self._admit(ROUNDING * l1)
        near = NEARLY if self.design.storage.by_columns else NEAR_ROWS
        self._prune(near * l1, 0)
        return self._admit(near * l1)

    def _solve_block(self, last, alpha, tol, max_iter, polish):
        cols = self.block.cols
        if not len(cols):
            return 1
        self.r = None
        self.coef[cols], n_iter = self.block.solve(
            np.ascontiguousarray(self.coef[cols]), last, alpha, tol, max_iter, polish
        )
        return n_iter

    def fit(self, alpha, tol, max_iter, polish=0.0):
        """Solve at one alpha to a relative gap; returns (gap, primal, n_iter)."""
        l1 = alpha * self.penalty.l1_ratio
        last = self.last
        if last is None and self.warm:
            last = alpha
        if last is None:  # the unpenalised fit comes first, then the largest correlation left
            if len(self.block.cols):
                self._solve_block(1e300, 1e300, 0.0, 100, 0.0)
                self._refresh()
            last = self.penalty.alpha_max(self._correlations(0.0))
        n_iter = 0
        stops = 0
        if self.wide and last > alpha and l1 > 0:
            stops = int(np.log(last / alpha) / -np.log(self.block.step) + 0.3)  # no stop for a last short way
        step = (alpha / last) ** (1 / (stops + 1)) if stops > 0 else 1.0
        for _ in range(stops):  # on the way: one loose round each
            if max_iter - n_iter <= 1:
                break
            last *= step
            self._prune(last * self.penalty.l1_ratio, 0)
            self._admit(SURE * last * self.penalty.l1_ratio)
            n_iter += self._solve_block(last / step, last, 1e-4, (max_iter - n_iter) // 2, 0.0)
            self._refresh()
        self._admit(max(2 * l1 - last * self.penalty.l1_ratio, l1 if last < SURE * alpha else SURE * l1))
        inner = 0.3 * tol if self.complete else max(0.3 * tol, self.block.start)
        self.complete = True
        while True:
            n_iter += self._solve_block(last, alpha, inner, max_iter - n_iter, polish)
            last = alpha
            self._refresh()
            self._read(l1)
            v = self.seen.bounds()
            gap, primal = certificate(self.design, self.y, self.yy, self.r, v, self.coef, self.penalty, alpha)
            if gap <= tol * self.yy / 2 or n_iter >= max_iter:
                break
            joined = self._admit_violators(l1)
            # While columns are missing, an answer much better than the set's own gap is wasted on it.
            if not joined and inner < 1e-4 * tol:  # rounding: no more to be had
                break
            if not joined:
                inner *= 0.1
            elif joined <= FEW * len(self.block.cols):
                inner = min(inner, 0.3 * tol)
            else:
                self.complete = False
                inner = min(inner, max(self.block.share * gap / (0.5 * self.yy), 0.3 * tol))
        self.last = alpha
        return gap, primal, max(1, n_iter)


def residual(design, y, coef, used=None):
    """Residual of coefficients of X̃, centred; ``used``: where they are not 0."""
    if used is None:
        used = np.flatnonzero(coef if coef.ndim == 1 else coef.any(axis=1))
    r = y - design.xw(coef[used], used)
    if design.fit_intercept:
        r -= design.average(r)
    return r


def certificate(design, y, yy, r, v, coef, penalty, alpha):
    """(gap, primal) of the whole problem at ``coef``, with its residual r and v = X̃'(s∘r)."""
    if r.ndim == 1:
        weighted = design.weights * r
        rr, yr = dot(weighted, r), dot(weighted, y)
    else:
        weighted = design.weights[:, None] * r
        rr, yr = float(np.vdot(weighted, r)), float(np.vdot(weighted, y))
        v, coef = size_of(v), size_of(coef)
    return duality_gap(v, coef, design.sq_norms, penalty, alpha, rr, yr, yy)
