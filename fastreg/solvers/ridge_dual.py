"""Ridge in n unknowns, for fewer rows than features."""

import numpy as np
from scipy.linalg.lapack import dpotrs, spotrf, spotrs

from fastreg.solvers.ridge_systems import _EPS, _TINY, REFINE, cholesky, unit_columns

PASS_ROWS = 50  # rows for which the matrix costs as much as one pass over X
ROUGH_ROWS = 125  # the same in single precision
FEW = 5  # passes that are hardly ever enough
TRIAL = 3  # iterations after which their rate says how many more there would be
AIM = 1e-20  # relative gap of conjugate gradients: as closed forms leave it
MANY = 4  # targets for which the matrix is made in any case


class Dual:
    """Cholesky of the n x n matrix ``K + shift I``, ``K = S^½ X̃ F⁻¹ X̃' S^½``, outside what is free.

    A system in the sense of `fastreg.solvers.ridge_systems`. The coefficients are ``w = F⁻¹ X̃' S^½ d`` for
    the dual vector d. The intercept's direction s^½ and the span of the unpenalised columns (orthonormal
    basis Q) are taken out of K, and put back with a harmless eigenvalue, so that the matrix stays positive
    definite at shift 0 when X has full rank. Right-hand sides are orthogonal to Q, so the answer does not see
    that eigenvalue.

    The matrix costs about n / 50 passes over a dense X, in single precision n / 125. So conjugate gradients, each
    iteration a pass, solve the system, as they are where many more features than rows make K well conditioned, else
    preconditioned by a Cholesky factor in single precision: two or three then do. `AIM` is the relative gap they stop
    at. Only where neither works, or rows are few, is K made.

    The certificate needs one pass over X, not two: ``shift d`` is a dual feasible point whose products with
    the columns are ``shift F w`` already, and its gap is ``½ |S^½ r - shift d|²``.
    """

    refine = REFINE

    def __init__(self, design, factor=None, lift=None):
        self.design = design
        self.root = np.sqrt(design.weights)[:, None]
        self.columns = np.empty(0, dtype=np.intp) if factor is None else np.flatnonzero(factor == 0)
        self.inverse = None
        if factor is not None:
            self.inverse = np.divide(1.0, factor, out=np.zeros(design.p), where=factor > 0)[:, None]
        self.basis = self.root if design.fit_intercept else self.root[:, :0]
        self.method = "cholesky"
        self.lift, self.kernel, self._rough = lift, None, None
        self._cache = (None, None)
        self._last = None
        if lift is not None or self.columns.size or design.n < FEW * PASS_ROWS or design.storage.is_sparse:
            self._form_kernel()

    def _form_kernel(self):
        design, lift = self.design, self.lift
        self.kernel = design.row_gram(None if self.inverse is None else self.inverse[:, 0])
        self.basis = self.root[:, :0]
        if self.columns.size:
            self._take_out_columns()
        if design.fit_intercept:
            self.basis = np.hstack([self.root, self.basis])
        trace = float(self.kernel.trace())
        self.lift = (trace / design.n if lift is None else lift * trace) or 1.0
        if self.basis.shape[1]:
            self.kernel += (self.lift * self.basis) @ self.basis.T

    def _take_out_columns(self):
        z = self.root * unit_columns(self.design, self.columns)
        left, values, right = np.linalg.svd(z, full_matrices=False)
        keep = values > _EPS * max(z.shape) * max(values[0], _TINY)
        basis = self.basis = left[:, keep]
        self._solve_free = (right[keep].T / values[keep]) @ basis.T
        self.kernel -= basis @ (basis.T @ self.kernel)
        self.kernel -= (self.kernel @ basis) @ basis.T

    def fit(self, y, cross, shift):
        self._last = y, self.solve(self.outside(self.root * y), shift)
        return self.primal(*self._last)

    def certify(self, y, w, shift):
        r = y - self.design.xw(w)
        if self.design.fit_intercept:
            r -= self.design.average(r)
        r *= self.root
        state = r - shift * self._last[1]
        bound = state if shift > 0 else self._in_span(r)
        return 0.5 * np.einsum("ij,ij->j", bound, bound), state

    def correct(self, w, state, shift):
        y, dual = self._last
        step = self.solve(self.outside(state), shift)
        self._last = y, dual + step
        # the gain is the gap's own size here, so there is nothing better to say than the gap
        return self.primal(*self._last), np.full(w.shape[1], np.inf)

    def solve(self, right, shift):
        """(K + shift I)⁻¹ in the complement of Q."""
        if self.kernel is None:
            found = self._by_gradients(right, shift)
            if found is not None:
                self.method, self.refine = "conjugate_gradient", 100 * AIM
                return self.outside(found)
            self.method, self.refine, self._rough = "cholesky", REFINE, None
            self._form_kernel()
        found = self._factorise(shift)
        if isinstance(found, tuple):
            vectors, inverse = found
            return self.outside(vectors @ (inverse[:, None] * (vectors.T @ right)))
        return self.outside(dpotrs(found, right, lower=1)[0])

    def _by_gradients(self, right, shift):
        """`solve` by conjugate gradients, or None where the matrix is the cheaper way."""
        if shift <= 0 or right.shape[1] > MANY:
            return None
        rough = self.design.n // ROUGH_ROWS + TRIAL
        x, r = np.zeros_like(right), self.outside(right)
        target = AIM * np.einsum("ij,ij->j", r, r)
        if rough > FEW + TRIAL:
            x, r, done = self._iterate(x, r, target, shift, lambda r: r, rough)
            if done:
                return x
        precondition = self._rough_solver(shift)
        if precondition is None:
            return None
        x, r, done = self._iterate(x, r, target, shift, precondition, 2 * TRIAL)
        return x if done else None

    def _iterate(self, x, r, target, shift, precondition, most):
        """(x, its residual, whether that's small) after conjugate gradients; few if ``most`` would not be enough."""
        weights = None if self.inverse is None else self.inverse[:, 0]
        first = np.einsum("ij,ij->j", r, r).max()
        step = energy = None
        for passes in range(1, most + 1):
            ahead = precondition(r)
            fresh = np.einsum("ij,ij->j", r, ahead)
            if energy is not None:
                ahead = ahead + np.divide(fresh, energy, out=np.zeros_like(fresh), where=energy > 0) * step
            step, energy = ahead, fresh
            image = self.outside(self.design.row_gram_times(step, weights)) + shift * step
            curvature = np.einsum("ij,ij->j", step, image)
            length = np.divide(energy, curvature, out=np.zeros_like(fresh), where=curvature > 0)
            x, r = x + length * step, r - length * image
            square = np.einsum("ij,ij->j", r, r)
            if (square <= target).all():
                return x, r, True
            if passes >= TRIAL and passes * np.log(AIM) < most * np.log(max(square.max() / first, AIM)):
                break
        return x, r, False

    def _rough_solver(self, shift):
        """About (K + shift I)⁻¹, by a Cholesky factor in single precision; None if that breaks down."""
        design, weights = self.design, np.ones(1) if self.inverse is None else self.inverse[:, 0]
        trace = float(np.sum(design.sq_norms * weights))
        scale = design.n / trace if trace > 0 else 1.0
        if self._rough is None:
            self._rough = np.array(design.row_gram(np.broadcast_to(scale * weights, design.p), rough=True))
            if self.basis.shape[1]:
                self._rough += self.basis @ self.basis.T
        matrix = self._rough.copy()
        matrix.ravel()[:: design.n + 1] += scale * shift
        factor, info = spotrf(matrix.T, lower=0, clean=0, overwrite_a=1)
        if info != 0:
            return None

        def solve(r):
            size = np.abs(r).max() or 1.0
            return self.outside(spotrs(factor, (r / size).astype(np.float32))[0] * size)

        return solve

    def _factorise(self, shift):
        """A Cholesky factor, or (vectors, 1 / values) of a singular matrix."""
        if self._cache[0] != shift:
            matrix = self.kernel.copy()
            matrix.ravel()[:: self.design.n + 1] += shift
            found = cholesky(matrix)
            if found is None:
                self.method = "eigen"
                values, vectors = np.linalg.eigh(self.kernel)
                values = np.maximum(values, 0.0) + shift
                keep = values > _EPS * self.design.n * max(values[-1], _TINY)
                found = vectors[:, keep], 1.0 / values[keep]
            self._cache = (shift, found)
        return self._cache[1]

    def _in_span(self, weighted):
        """Projection on the span of X̃ (and of the intercept), of rows that are multiplied by s^½."""
        found = self._factorise(0.0)
        return found[0] @ (found[0].T @ weighted) if isinstance(found, tuple) else weighted

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

    def outside(self, weighted):
        """Without its part in the span of Q."""
        return weighted - self.basis @ (self.basis.T @ weighted) if self.basis.shape[1] else weighted
