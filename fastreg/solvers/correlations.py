"""Correlations of all columns with a residual that moves: each is read again only where it may matter.

When the residual moves by d, a column's correlation moves by no more than ``||x̃_j|| ||d||`` (Cauchy, Schwarz). So what
was read before bounds what is there now, and a column whose bound is under a threshold needs no look, with no loss of
rigour: near the end of a fit, or from one alpha of a path to the next, few columns have to be read.
"""

import numpy as np

from fastreg._simd.dispatch import dot

MOST = 0.5  # share of the columns from which a pass over all is as quick


class Correlations:
    """X̃'(s∘r), (p,) or rows (p, T).

    Parameters
    ----------
    design : Design
    r : ndarray of shape (n,) or (n, T)
    v : ndarray
        The correlations with it.
    """

    def __init__(self, design, r, v):
        self.design, self.r, self.v = design, r, v.copy()
        self.moved = 0.0  # how far the residual has moved since the last reading
        self.drift = None  # how far it had before since a column was read, at most; None: all have been
        self.norms = None  # of the columns
        self.typical = np.sqrt(design.sq_norms.mean())

    def move(self, r):
        """The residual is another one."""
        self.moved += np.sqrt(square_norm(self.design, r - self.r))
        self.r = r

    def read(self, threshold, always):
        """Bring up to date the columns that may exceed the threshold (a number, or one each) and those in a mask."""
        if self.moved == 0 and self.drift is None:
            return
        cols = None
        if self.design.storage.by_columns and self.moved * self.typical < np.max(threshold):
            self.norms = np.sqrt(self.design.sq_norms) if self.norms is None else self.norms
            self.drift = (0.0 if self.drift is None else self.drift) + np.full(len(self.v), self.moved)
            cols = np.flatnonzero((self.drift > 0) & (always | ~(self.bounds() <= threshold)))
        if cols is None or len(cols) > MOST * len(self.v):
            self.v = self.design.xt_r(self.r)
            self.drift = None
        elif len(cols):
            self.v[cols] = self.design.xt_r(self.r, cols)
            self.drift[cols] = 0
        self.moved = 0.0

    def bounds(self):
        """What a certificate may go by: v, or the norms of its rows; where it is old, no less than its size now."""
        if self.drift is None:
            return self.v
        size = size_of(self.v)
        return np.where(self.drift > 0, size + self.norms * self.drift, self.v if self.v.ndim == 1 else size)


def size_of(a):
    """|a|, or the norms of its rows."""
    return np.abs(a) if a.ndim == 1 else np.sqrt(np.einsum("jt,jt->j", a, a))


def square_norm(design, y):
    """||y||^2 under the design's weights; y (n,) or (n, T)."""
    return dot(design.weights, y * y if y.ndim == 1 else np.einsum("it,it->i", y, y))
