"""Columns that nothing is charged on and that are nearly dependent: taken out of the problem.

With Q an orthonormal basis of these columns, the optimum in the others is that of ``(I - QQ')X̃`` and ``(I - QQ')y``
(Frisch, Waugh, Lovell), which is as well conditioned as if they weren't there. Their own coefficients follow, however
large. Q comes from X itself: a Gram matrix has lost all that is under 1e-8 of a column.
"""

from types import SimpleNamespace

import numpy as np
from scipy import linalg, sparse

from fastreg._threads import serial_blas

MANY = 64  # columns: of more no copy is made
DEPENDENT = 1e-6  # least eigenvalue of their correlations, from which a Gram matrix serves as well
RANK = 1e-13  # share of a column that is rounding
NOTHING = 1e-24  # share of ||y||^2 that is


def nearly_dependent(design, penalty, alpha=np.inf):
    """The columns that are free of charge and bounds, if they are nearly dependent, and few."""
    if penalty.even and alpha > 0:
        return np.empty(0, dtype=np.intp)
    free = (penalty.factor == 0) | (alpha == 0)
    cols = np.flatnonzero(free & (penalty.lower == -np.inf) & (penalty.upper == np.inf) & (design.sq_norms > 0))
    if 2 <= len(cols) <= MANY:
        G = design.gram(cols if len(cols) < design.p else None)
        size = np.sqrt(np.diagonal(G))
        if np.linalg.eigvalsh(G / np.outer(size, size))[0] < DEPENDENT:
            return cols
    return cols[:0]


class Partial:
    """A design less what some of its columns explain, with the verbs that linear solvers use; those columns are 0.

    Parameters
    ----------
    design : Design
    cols : ndarray of int
    """

    def __init__(self, design, cols):
        self.design, self.cols = design, cols
        self.storage = SimpleNamespace(is_sparse=False, by_columns=design.storage.by_columns)
        root = design.root[:, None]
        block = design.take(cols)
        block *= root
        with serial_blas(np.inf, len(cols)):
            Q, R, order = linalg.qr(block, mode="economic", pivoting=True)
        rank = int((np.abs(np.diagonal(R)) > RANK * np.abs(R[0, 0])).sum())
        self.R, self.order = R[:rank, :rank], cols[order[:rank]]
        self.basis = np.divide(Q[:, :rank], root, out=np.zeros((design.n, rank)), where=root > 0)
        self.loads = design.xt_r(self.basis)  # (p, rank)
        rest = design.sq_norms - np.einsum("jk,jk->j", self.loads, self.loads)
        rest[rest <= RANK * design.sq_norms] = 0
        rest[cols] = 0
        self.loads[cols] = 0
        self.sq_norms = rest

    def __getattr__(self, name):
        return getattr(self.design, name)

    def _coordinates(self, r):
        return self.basis.T @ (self.design.weights * r.T).T

    def project(self, r):
        """r, (n,) or (n, T), without its part in the span."""
        for _ in range(2):  # the second for rounding
            r = r - self.basis @ self._coordinates(r)
        return r

    def leave(self, y):
        """What is left of y, centred, and its products with the columns."""
        rest = self.project(y)
        if np.vdot(rest, rest) <= NOTHING * np.vdot(y, y):
            rest = np.zeros(y.shape)
        return rest, self.xt_r(rest)

    def restore(self, coefs, y):
        """Coefficients (K, p) or (K, p, T), or sparse (K, p), with those of the columns that were taken out."""
        K, rank = coefs.shape[0], len(self.order)
        explained = (coefs.transpose(0, 2, 1) if coefs.ndim == 3 else coefs) @ self.loads
        shares = (self._coordinates(y).T - explained).reshape(-1, rank)
        own = linalg.solve_triangular(self.R, shares.T).T
        if sparse.issparse(coefs):
            return coefs + sparse.csr_array(
                (own.ravel(), np.tile(self.order, K), rank * np.arange(K + 1)), shape=coefs.shape
            )
        coefs[:, self.order] = own if coefs.ndim == 2 else own.reshape(K, -1, rank).transpose(0, 2, 1)
        return coefs

    def xt_r(self, R, cols=None):
        """Products with a residual that the columns taken out have nothing to do with."""
        out = self.design.xt_r(R, cols)
        out[(self.sq_norms if cols is None else self.sq_norms[cols]) == 0] = 0
        return out

    def xw(self, W, cols=None):
        """As Design's."""
        return self.project(self.design.xw(W, cols))

    def gram(self, cols=None, other=None):
        """As Design's."""
        every = slice(None)
        a, b = every if cols is None else cols, every if cols is None else cols if other is None else other
        G = self.design.gram(cols, other) - self.loads[a] @ self.loads[b].T
        G[self.sq_norms[a] == 0] = 0
        G[:, self.sq_norms[b] == 0] = 0
        return G

    def grow_gram(self, out, cols, first):
        """As Design's."""
        cross = self.gram(cols, cols[first:])
        out[:, first:], out[first:] = cross, cross.T
