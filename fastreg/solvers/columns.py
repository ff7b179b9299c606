"""Columns that come and go: a set of them, the Gram matrix that grows with it, and the problem on it."""

import numpy as np

from .correlations import size_of
from .gram import GramProblem, compact, run_paths
from .multitask_newton import solve_blocks

TALL = 10  # rows a column from which no stops are needed: too many columns in the set do no harm
SURE = 1.5  # on the way, a column joins where its correlation passes the threshold by so much
FIRST = 100  # columns that may join a set at once, whatever its size
DOTS = 4  # columns whose products with the set are taken one by one: a Gram product would pack the whole set
NEAR = 1.4  # ratio of alphas between stops within a set, where a stop costs no pass over X


class Block:
    """A set of columns of the design, their Gram matrix, and the subproblem on them."""

    # Columns cost memory and come with near-exact steps: grow by little, solve well.
    growth = 0.5  # columns that may join at once, in sizes of the support
    start, share = 0.0, 0.0  # relative gap asked of a set: at first, then as a share of the whole problem's
    step = 0.4  # ratio of alphas between stops on the way, about

    def __init__(self, design, q, yy, penalty):
        self.design, self.q, self.yy, self.penalty = design, q, yy, penalty
        self.cols = np.empty(0, dtype=np.intp)
        self.buffer = np.empty((0, 0))
        self.problem = None
        self.filled = 0  # columns whose Gram entries are there
        self.sub = None

    def extend(self, new):
        self.cols = np.concatenate([self.cols, new])
        self.sub = self.penalty.take(self.cols)

    def empty(self):
        """Forget the Gram matrix."""
        self.filled = 0
        if self.problem is not None:
            self.problem.keep(np.empty(0, dtype=np.intp))

    def keep(self, mask):
        """Forget the other columns."""
        stay = np.flatnonzero(mask[: self.filled])
        compact(self.buffer, stay)
        if self.problem is not None:
            self.problem.keep(stay)
        self.filled = len(stay)
        self.cols = self.cols[mask]
        self.sub = self.penalty.take(self.cols)

    def _grow(self):
        """Have room for the Gram matrix of all columns."""
        m, old = len(self.cols), self.filled
        if m > len(self.buffer):
            size = max(2 * len(self.buffer), m + FIRST)
            grown = np.empty((size, size))
            grown[:old, :old] = self.buffer[:old, :old]
            self.buffer, self.problem = grown, None

    def _fill(self):
        m, old = len(self.cols), self.filled
        self._grow()
        if m > old:
            new = self.cols[old:]
            if m - old <= DOTS and self.design.storage.by_columns:
                cross = self.design.xt_r(self.design.xw(np.eye(m - old), new), self.cols)
                self.buffer[:m, old:m], self.buffer[old:m, :m] = cross, cross.T
            else:
                self.design.grow_gram(self.buffer[:m, :m], self.cols, old)
            self.filled = m
        return self.buffer[:m, :m]

    def solve(self, coef, last, alpha, tol, max_iter, polish):
        """Coefficients of the columns at alpha, from ``coef`` at ``last``, and the number of iterations."""
        G, q = self._fill(), np.ascontiguousarray(self.q[self.cols])
        if coef.ndim == 2:
            return solve_blocks(G, q, coef, self.sub, alpha, self.yy, tol, max_iter)[:2]
        if self.problem is None:
            self.problem = GramProblem(len(self.buffer))
        self.problem.bind(G, q, self.yy, self.sub, coef)
        coefs, _, _, iters = run_paths(
            [self.problem], [_between(last, alpha)[-max_iter:]], tol, max_iter, polish, True
        )[0]
        return coefs[-1], int(iters.sum())


def _between(last, alpha):
    """Alphas from the last (excluded) to alpha, so close that few columns come or go from one to the next."""
    if not last > alpha > 0:
        return np.array([alpha])
    steps = int(np.ceil(np.log(last / alpha) / np.log(NEAR)))
    return alpha * (last / alpha) ** (np.arange(steps - 1, -1, -1) / steps)


class ColumnSet:
    """The columns that a problem is worked on with; which they are to be, the correlations with all columns say.

    A subclass sets ``design``, ``penalty``, ``block``, ``coef`` and ``inside``, the mask of the columns in the set, and
    has ``_correlations(threshold)``: what the penalty looks at, old where under the threshold.
    """

    def _join(self, cols):
        cols = cols[~self.inside[cols] & (self.design.sq_norms[cols] > 0)]
        if len(cols):
            self.inside[cols] = True
            self.block.extend(cols)
        return len(cols)

    def _limit(self):
        """How many columns may join at once."""
        return FIRST + int(self.block.growth * self._support())

    def _admit(self, threshold):
        """Let in the columns of the largest scores above the threshold, not too many at once; how many joined."""
        limit = self._limit()
        score = self.penalty.score(self._correlations(threshold))
        score[self.inside] = -1
        found = np.flatnonzero(score > threshold)
        if len(found) > limit:
            found = found[np.argpartition(-score[found], limit)[:limit]]
        return self._join(found)

    def _prune(self, threshold, many=None):
        """Drop columns that are 0 and far from entering, once they are many: they cost as much as those that count."""
        cols = self.block.cols
        used = size_of(self.coef[cols]) > 0
        if len(cols) <= (2 * FIRST + 2 * used.sum() if many is None else many):
            return
        mask = used | (self.penalty.score(self._correlations(threshold))[cols] > threshold)
        self.inside[cols[~mask]] = False
        self.block.keep(mask)

    def _used(self):
        cols = self.block.cols
        return cols[size_of(self.coef[cols]) > 0]

    def _support(self):
        return len(self._used())

    def entries(self):
        """Columns of the coefficients that are not 0, in order, and these."""
        cols = np.sort(self._used())
        return cols, self.coef[cols]
