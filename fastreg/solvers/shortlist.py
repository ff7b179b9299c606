"""Working sets that look at few columns between passes over X.

Where columns can be read by themselves, a share of them is looked at as if there were no others: those with the largest
correlations at the last pass over all of X, as what will enter is nearly always among them. Rounds are then so cheap
that sets can follow alpha closely and stay small. Which columns are on the list decides the way only: a fit ends with
a pass over all of X, and what it has missed gets on the next list.
"""

import numpy as np

from .columns import ColumnSet

SHORTLIST = 10  # the share: one column of so many
LOOK = 1 << 20  # elements of X from which a pass costs more than choosing it
RENEW = 0.2  # fall of alpha, on the way, after which it is chosen anew
SETTLED = 1e-4  # gap on the list, as a share of the last one of all columns, below which all are looked at again


class Shortlisting(ColumnSet):
    """``_refresh`` sets ``v``, the correlations, 0 but for the columns that it is given; ``gap`` goes by them."""

    shortlist = None  # columns, or None: all
    chosen = np.inf  # alpha then
    partial = False  # whether v is of the list only
    whole_gap = np.inf  # gap of all columns at the last pass, or inf at another alpha

    def _choose(self, alpha):
        """The list for what lies below alpha, after a pass over X: the set, and columns of high scores."""
        n, p = self.design.n, self.design.p
        many = max(p // SHORTLIST, 3 * len(self.block.cols))
        self.shortlist, self.chosen = None, alpha
        if self.design.storage.by_columns and n * p >= LOOK and many <= p // 2:
            score = self.penalty.score(self.v)
            score[self.inside] = np.inf
            self.shortlist = np.sort(np.argpartition(score, p - many)[p - many :])

    def _limit(self):
        return super()._limit() if self.shortlist is None else super()._limit() // 2

    def _pace(self):
        """Ratio of alphas between stops on the way."""
        return self.block.step if self.shortlist is None else self.block.step**0.5

    def _glance(self, alpha):
        """Correlations at a stop on the way."""
        if self.shortlist is not None and alpha > RENEW * self.chosen:
            self._refresh(alpha, cols=self.shortlist)
        else:
            self._refresh(alpha)
            self._choose(alpha)

    def _survey(self, alpha, target, fresh):
        """(gap, primal) of the list, or, where that is small or no gap of all columns is known, of all."""
        if self.whole_gap < np.inf:
            if not self.partial:
                self._choose(alpha)
            if self.shortlist is not None:
                self._refresh(alpha, fresh, self.shortlist)
                gap, primal = self.gap(alpha)
                if gap > max(target, SETTLED * self.whole_gap):
                    return gap, primal
        self._refresh(alpha, fresh or self.shortlist is not None)
        self.whole_gap, primal = self.gap(alpha)
        return self.whole_gap, primal
