"""The ridge equations as small linear systems, and the certificate of an answer.

In the centred, scaled and weighted coordinates of the `Design`, ridge is ``(G + c F) w = q`` with
``G = X̃'SX̃``, ``q = X̃'Sy``, ``F = diag(factor)`` and the shift ``c = alpha / total_weight``. Its objective
is ``P(w) = ½ sum_i s_i r_i² + ½ c sum_j f_j w_j²``. A system (`Primal`: p unknowns, `Orthogonal`: the same
for singular matrices, `Dual`: n unknowns, their spectral kin, `ConjugateGradient`) answers three calls,
targets in columns:

``fit(y, cross, shift)``
    coefficients (p, k) for centred y (n, k); cross = X̃'Sy if it is known, else None;
``certify(y, w, shift)``
    the duality gaps (k,) of its last answer w, from a fresh residual, and the state that `correct` needs;
``correct(w, state, shift)``
    a step of iterative refinement, and how much it gains (k,): the Newton decrement.

The certificate. With residual r, g = X̃'Sr and z = g - c f w, the dual point r has the gap
``sum z² / (2 c f)``: nothing cancels, so it is good far below rounding of P. The best multiple of r (closed
form) is better by ``e² / 2B``, e = sum (g / cf) z, B = r'Sr + sum g² / cf. Unpenalised columns: r is first
projected off their span, and what that takes away counts.

Unpenalised columns are exact, not a large number over a small one: the primal matrix simply has no shift
there, the dual works in the orthogonal complement of their span.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

_EPS = np.finfo(np.float64).eps
# Relative gaps below this are not worth a refinement step: 1e-20 is a relative error of 1e-10 in the fit.
REFINE = 1e-20
_TINY = np.finfo(np.float64).tiny
# Cholesky pivots lost this far below their diagonal mean linearly dependent columns, not small ones.
_PIVOT = 64 * _EPS


class System:
    """What systems in p unknowns share: the certificate.

    ``refine`` is the relative gap that is good enough: answers above it are corrected once more.

    Parameters
    ----------
    design : Design
    factor : None or ndarray of shape (p,)
        Multiplies the shift; 0 leaves a feature unpenalised.
    """

    refine = REFINE

    def __init__(self, design, factor=None):
        self.design, self.factor = design, factor
        self.columns = np.empty(0, dtype=np.intp) if factor is None else np.flatnonzero(factor == 0)

    def certify(self, y, w, shift):
        design = self.design
        r = y - design.xw(w)
        if design.fit_intercept:
            r -= design.average(r)
        g = design.xt_r(r)
        penalty = shift if self.factor is None else shift * self.factor[:, None]
        state = g - penalty * w
        return self._gap(w, r, g, state, shift, penalty), state

    def _gap(self, w, r, g, z, shift, penalty):
        if shift.__class__ is float and shift == 0.0:
            return 0.5 * self.unpenalised(g)
        removed = None
        if penalty.__class__ is float or (penalty > 0).all():
            ahead = z / penalty
        else:
            r, removed = self.project(r, g, shift)
            bound = np.broadcast_to(penalty > 0, w.shape)
            g, w = np.where(bound, self.design.xt_r(r), 0.0), np.where(bound, w, 0.0)
            z = g - penalty * w
            ahead = np.divide(z, penalty, out=np.zeros_like(z), where=bound)
        gap = 0.5 * np.einsum("ij,ij->j", z, ahead)
        slope = np.einsum("ij,ij->j", g, ahead)
        norm = self.design.weights @ (r * r) + slope + np.einsum("ij,ij->j", g, w)
        gap -= 0.5 * slope * slope / np.maximum(norm, _TINY)
        gap = np.maximum(gap, 0.0)
        return gap if removed is None else gap + 0.5 * removed

    def project(self, r, g, shift):
        """r without its weighted projection on the unpenalised columns, and the squared norm of that."""
        columns = self.columns
        values, vectors = np.linalg.eigh(self.design.gram(columns))
        keep = values > _EPS * len(columns) * max(values[-1], _TINY)
        vectors, values = vectors[:, keep], values[keep, None]
        scores = vectors.T @ g[columns]
        fitted = self.design.xw(vectors @ (scores / values), cols=columns)
        return r - fitted, np.sum(scores**2 / values, axis=0)

    def correct(self, w, z, shift):
        step = self.solve(z, shift)
        return w + step, 0.5 * np.einsum("ij,ij->j", z, step)

    def unpenalised(self, g):
        """g'(G⁻)g: the squared norm of a residual's projection on all columns, at shift 0."""
        return np.einsum("ij,ij->j", g, self.solve(g, 0.0))


def cholesky(matrix):
    """Lower Cholesky factor (Fortran order, upper part undefined), or None if it is not safely definite.

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


class Primal(System):
    """Cholesky of the p x p matrix ``G + shift F``; falls back to `Orthogonal` when that is singular."""

    def __init__(self, design, factor=None):
        super().__init__(design, factor)
        self.gram = design.gram()
        self.method = "cholesky"
        self._cache = (None, None)
        self._orthogonal = None

    def fit(self, y, cross, shift):
        if self._cholesky(shift) is None:
            return self._fallback().fit(y, cross, shift)
        return self.solve(self.design.xt_r(y) if cross is None else cross, shift)

    def solve(self, right, shift):
        root = self._cholesky(shift)
        return self._fallback().solve(right, shift) if root is None else dpotrs(root, right, lower=1)[0]

    def _cholesky(self, shift):
        if self._cache[0] != shift:
            matrix = self.gram.copy()
            matrix.ravel()[:: self.design.p + 1] += shift if self.factor is None else shift * self.factor
            self._cache = (shift, cholesky(matrix))
        return self._cache[1]

    def _fallback(self):
        if self._orthogonal is None:
            self._orthogonal = Orthogonal(self.design, self.factor)
            self.method = "svd"
        return self._orthogonal


class Orthogonal(System):
    """Singular values of X̃'s triangular factor, built panel by panel; never squares the condition.

    The answer for dependent columns or alpha = 0: least squares of minimum norm. Twice the flops of a Gram.
    """

    method = "svd"

    def __init__(self, design, factor=None):
        super().__init__(design, factor)
        self._triangle = None
        self._cache = (None, None)

    def fit(self, y, cross, shift):
        self._triangle, rotated = self._triangular(y)
        left, inverse, right = self._svd(shift)
        return self._without_constants(right.T @ (inverse[:, None] * (left[: len(rotated)].T @ rotated)))

    def solve(self, right, shift):
        if self._triangle is None:
            self._triangle = self._triangular(np.zeros((self.design.n, 0)))[0]
        _, inverse, vectors = self._svd(shift)
        return self._without_constants(vectors.T @ ((inverse**2)[:, None] * (vectors @ right)))

    def _without_constants(self, w):
        w[self.design.sq_norms == 0] = 0.0
        return w

    def _triangular(self, y):
        """R and Q'y of S^½ [X̃, y] = Q R."""
        p, root = self.design.p, np.sqrt(self.design.weights)[:, None]
        constant = self.design.sq_norms == 0
        rows, waiting = [np.zeros((0, p + y.shape[1]))], 0
        for start, stop, block in self.design.panels():
            block[:, constant] = 0.0
            rows.append(root[start:stop] * np.hstack([block, y[start:stop]]))
            waiting += stop - start
            if waiting >= 4 * p + 256:
                rows, waiting = [np.linalg.qr(np.vstack(rows), mode="r")], 0
        whole = np.linalg.qr(np.vstack(rows), mode="r")[:p]
        return whole[:, :p], whole[:, p:]

    def _svd(self, shift):
        if self._cache[0] != shift:
            triangle = self._triangle
            if shift > 0:
                factor = np.ones(self.design.p) if self.factor is None else self.factor
                triangle = np.vstack([triangle, np.diag(np.sqrt(shift * factor))])
            left, values, right = np.linalg.svd(triangle, full_matrices=False)
            keep = values > _EPS * max(self.design.n, self.design.p) * values[0]
            self._cache = (shift, (left, np.where(keep, 1.0 / np.where(keep, values, 1.0), 0.0), right))
        return self._cache[1]


def unit_columns(design, columns):
    """X̃[:, columns], dense."""
    return design.xw(np.eye(len(columns)), cols=columns)
