"""The ridge equations as small linear systems: primal (p unknowns), dual (n unknowns), orthogonal (rank-deficient).

In the centred, scaled and weighted coordinates of the `Design`, ridge is ``(G + c F) w = q`` with ``G = X̃'SX̃``,
``q = X̃'Sy``, ``F = diag(factor)`` and the shift ``c = alpha / total_weight``. A system answers four questions:

``fit(y, cross, shift)``
    coefficients (p, k) for centred columns ``y`` (n, k); cross = X̃'Sy if it is known, else None;
``correct(w, z, r, shift)``
    one step of iterative refinement of the last fit from a fresh residual r = y - X̃w and its z = X̃'Sr - cFw;
``split(r, g, shift)``
    r without its part in the span of the unpenalised columns, and the squared weighted norm of that part: what a
    dual feasible point needs; g = X̃'Sr; at shift 0 nothing is penalised, and r is not asked for (None);
``free``, ``method``, ``exact``
    which columns are unpenalised; the name of the algorithm; whether `correct` solves to rounding.

Unpenalised columns are exact, not a large number over a small one: the primal matrix simply has no shift
there, the dual works in the orthogonal complement of their span.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

_EPS = np.finfo(np.float64).eps
# Cholesky pivots lost this far below their diagonal mean linearly dependent columns, not small ones.
_PIVOT = 64 * _EPS


def cholesky(matrix):
    """Lower Cholesky factor (Fortran order, upper part undefined), or None where it is not safely positive definite.

    Parameters
    ----------
    matrix : ndarray of shape (m, m), C-contiguous, symmetric
        Overwritten.
    """
    diagonal = matrix.diagonal().copy()
    factor, info = dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
    if info != 0:
        return None
    pivots = factor.diagonal()
    if not (pivots * pivots > _PIVOT * len(pivots) * diagonal).all():
        return None
    return factor


class Primal:
    """Cholesky of the p x p matrix ``G + shift F``; falls back to `Orthogonal` when that is singular."""

    exact = True

    def __init__(self, design, factor=None):
        self.design, self.factor = design, factor
        self.free = None if factor is None else factor == 0
        self.gram = design.gram()
        self._cache = (None, None)
        self._orthogonal = None
        self.method = "cholesky"

    def fit(self, y, cross, shift):
        root = self._cholesky(shift)
        if root is None:
            return self.orthogonal().fit(y, cross, shift)
        return dpotrs(root, self.design.xt_r(y) if cross is None else cross, lower=1)[0]

    def correct(self, w, z, r, shift):
        root = self._cholesky(shift)
        if root is None:
            return self.orthogonal().correct(w, z, r, shift)
        return w + dpotrs(root, z, lower=1)[0]

    def split(self, r, g, shift):
        if shift > 0:
            return split_columns(self.design, r, g, np.flatnonzero(self.free))
        root = self._cholesky(0.0)
        if root is None:
            return self.orthogonal().split(r, g, shift)
        return None, np.sum(g * dpotrs(root, g, lower=1)[0], axis=0)

    def orthogonal(self):
        if self._orthogonal is None:
            self._orthogonal = Orthogonal(self.design, self.factor)
            self.method = "svd"
        return self._orthogonal

    def _cholesky(self, shift):
        if self._cache[0] != shift:
            matrix = self.gram.copy()
            matrix.ravel()[:: self.design.p + 1] += shift if self.factor is None else shift * self.factor
            self._cache = (shift, cholesky(matrix))
        return self._cache[1]


class Orthogonal:
    """Singular values of X̃'s triangular factor, which is built panel by panel and never squares the condition.

    The answer for dependent columns or alpha = 0: least squares of minimum norm. Twice the flops of a Gram.
    """

    def __init__(self, design, factor=None):
        self.design, self.factor = design, factor
        self.free = None if factor is None else factor == 0
        self._triangle = self._y = None
        self._cache = (None, None)

    def fit(self, y, cross, shift):
        triangle, rotated = self._triangular(y)
        left, inverse, right = self._svd(triangle, shift)
        return right.T @ (inverse[:, None] * (left[: len(rotated)].T @ rotated))

    def correct(self, w, z, r, shift):
        _, inverse, right = self._svd(self._triangle, shift)
        return w + right.T @ ((inverse**2)[:, None] * (right @ z))

    def split(self, r, g, shift):
        if shift > 0:
            return split_columns(self.design, r, g, np.flatnonzero(self.free))
        _, inverse, right = self._svd(self._triangle, 0.0)
        return None, np.sum((inverse[:, None] * (right @ g)) ** 2, axis=0)

    def _triangular(self, y):
        if self._y is y:
            return self._triangle, self._rotated
        p, root = self.design.p, np.sqrt(self.design.weights)[:, None]
        rows, waiting = [np.zeros((0, p + y.shape[1]))], 0
        constant = self.design.sq_norms == 0
        for start, stop, block in self.design.panels():
            block[:, constant] = 0.0
            rows.append(root[start:stop] * np.hstack([block, y[start:stop]]))
            waiting += stop - start
            if waiting >= 4 * p + 256:
                rows, waiting = [np.linalg.qr(np.vstack(rows), mode="r")], 0
        whole = np.linalg.qr(np.vstack(rows), mode="r")[:p]
        self._y, self._triangle, self._rotated = y, whole[:, :p], whole[:, p:]
        return self._triangle, self._rotated

    def _svd(self, triangle, shift):
        if self._cache[0] != shift:
            if shift > 0:
                factor = np.ones(self.design.p) if self.factor is None else self.factor
                triangle = np.vstack([triangle, np.diag(np.sqrt(shift * factor))])
            left, values, right = np.linalg.svd(triangle, full_matrices=False)
            keep = values > _EPS * max(self.design.n, self.design.p) * values[0]
            self._cache = (shift, (left, np.where(keep, 1.0 / np.where(keep, values, 1.0), 0.0), right))
        return self._cache[1]


class Dual:
    """Cholesky of the n x n matrix ``K + shift I``, ``K = S^½ X̃ F⁻¹ X̃' S^½``, in the complement of what is free.

    The intercept's direction s^½ and the span of the unpenalised columns (orthonormal basis Q) are taken out of K, and
    put back with a harmless eigenvalue so that the matrix stays positive definite at shift 0 when X has full rank.
    The right-hand sides are orthogonal to Q, so the answer does not see that eigenvalue.
    """

    exact = True

    def __init__(self, design, factor=None, lift=None):
        self.design = design
        self.free = None if factor is None else factor == 0
        self.root = np.sqrt(design.weights)[:, None]
        with np.errstate(divide="ignore"):
            self.inverse = None if factor is None else np.where(self.free, 0.0, 1.0 / factor)[:, None]
        self.kernel = design.row_gram(None if factor is None else self.inverse[:, 0])
        self.basis = self.root[:, :0]
        self.columns = np.flatnonzero(self.free) if self.free is not None else np.empty(0, dtype=np.intp)
        if self.columns.size:
            self._take_out_columns()
        if design.fit_intercept:
            self.basis = np.hstack([self.root, self.basis])
        trace = float(self.kernel.trace())
        self.lift = (trace / design.n if lift is None else lift * trace) or 1.0
        if self.basis.shape[1]:
            self.kernel += (self.lift * self.basis) @ self.basis.T
        self._cache = (None, None)
        self._last = None
        self.method = "cholesky"

    def _take_out_columns(self):
        z = self.root * unit_columns(self.design, self.columns)
        left, values, right = np.linalg.svd(z, full_matrices=False)
        keep = values > _EPS * max(z.shape) * max(values[0], np.finfo(np.float64).tiny)
        basis = self.basis = left[:, keep]
        self._solve_free = (right[keep].T / values[keep]) @ basis.T
        self.kernel -= basis @ (basis.T @ self.kernel)
        self.kernel -= (self.kernel @ basis) @ basis.T

    def fit(self, y, cross, shift):
        self._last = y, self.solve(self._outside(self.root * y), shift)
        return self.primal(*self._last)

    def correct(self, w, z, r, shift):
        y, dual = self._last
        self._last = y, dual + self.solve(self._outside(self.root * r) - shift * dual, shift)
        return self.primal(*self._last)

    def split(self, r, g, shift):
        weighted = self.root * r
        inside = self.basis @ (self.basis.T @ weighted)
        if shift > 0:
            return self.unweight(weighted - inside), np.sum(inside**2, axis=0)
        found = self._cache[1]  # a Cholesky factor: X̃ has full row rank, its span is everything
        if isinstance(found, tuple):
            vectors = found[0]
            weighted = inside + vectors @ (vectors.T @ (weighted - inside))
        return None, np.sum(weighted**2, axis=0)

    def solve(self, right, shift):
        if self._cache[0] != shift:
            matrix = self.kernel.copy()
            matrix.ravel()[:: self.design.n + 1] += shift
            root = cholesky(matrix)
            self._cache = (shift, self._eigen(shift) if root is None else root)
        found = self._cache[1]
        if isinstance(found, tuple):
            vectors, inverse = found
            return self._outside(vectors @ (inverse[:, None] * (vectors.T @ right)))
        return self._outside(dpotrs(found, right, lower=1)[0])

    def _eigen(self, shift):
        self.method = "eigen"
        values, vectors = np.linalg.eigh(self.kernel)
        values = np.maximum(values, 0.0) + shift
        keep = values > _EPS * self.design.n * max(values[-1], np.finfo(np.float64).tiny)
        return vectors[:, keep], 1.0 / values[keep]

    def primal(self, y, dual):
        """Coefficients (p, k) from dual vectors (n, k)."""
        w = self.design.xt_r(self.unweight(dual))
        if self.inverse is not None:
            w *= self.inverse
        if self.columns.size:
            w[self.columns] = self._solve_free @ (self.root * (y - self.design.xw(w)))
        return w

    def unweight(self, weighted):
        """S^-½ times the rows; rows of weight 0 are 0."""
        return np.divide(weighted, self.root, out=np.zeros_like(weighted), where=self.root > 0)

    def _outside(self, weighted):
        return weighted - self.basis @ (self.basis.T @ weighted) if self.basis.shape[1] else weighted


def unit_columns(design, columns):
    """X̃[:, columns], dense."""
    return design.xw(np.eye(len(columns)), cols=columns)


def split_columns(design, r, g, columns):
    """r without its weighted projection on X̃[:, columns], and the squared weighted norm of the projection."""
    values, vectors = np.linalg.eigh(design.gram(columns))
    keep = values > _EPS * len(columns) * max(values[-1], np.finfo(np.float64).tiny)
    vectors, values = vectors[:, keep], values[keep, None]
    scores = vectors.T @ g[columns]
    return r - design.xw(vectors @ (scores / values), cols=columns), np.sum(scores**2 / values, axis=0)
