"""Ridge for many alphas from one eigendecomposition: any shift costs a diagonal, leave-one-out costs gemms.

Both classes are systems in the sense of `fastreg.solvers.ridge_systems`. Leave-one-out (Rifkin and Lippert
2007, here with weights, an intercept and unpenalised columns):

- primal, with a basis B of coefficient space that diagonalises everything, ``B'(G + cF)B = diag(l + c)`` on
  the penalised part: a row panel ``Z = X̃ B`` gives the fits ``Z [w(c) ∘ B'q]`` and the leverages
  ``h = s (1 + (Z∘Z) w(c))`` of all shifts as two products, where ``w(c) = 1 / (l + c)``, or 1 in unpenalised
  directions, and the 1 in h is the intercept's. Row i left out: ``e_i = r_i / (1 - h_i)``.
- dual, with ``N (N'KN) N' = U diag(l) U'`` in the complement N of the intercept and the unpenalised columns:
  ``c = U [w ∘ U's^½y]``, ``d = (U∘U) w`` and ``s^½ e = c / d``. Nothing is subtracted, so it stays exact for
  small shifts.
"""

import numpy as np
from scipy.linalg import eigh

from fastreg.solvers.ridge_dual import Dual
from fastreg.solvers.ridge_systems import _EPS, _TINY, System


class PrimalSpectrum(System):
    """Eigendecomposition of the p x p Gram in the metric of the penalty, n > p.

    Another Gram in the coordinates of `design` can be given, such as that of a part of the rows.
    """

    method = "eigen"

    def __init__(self, design, factor=None, gram=None):
        super().__init__(design, factor)
        gram = design.gram() if gram is None else gram
        if factor is None:
            self.values, self.basis, self.is_free = *_eigh(gram), None
        else:
            self._generalised(gram)
        # Null directions of X̃: rounding noise that a small shift would blow up. They hold no coefficient.
        null = self.values <= _EPS * design.p * max(self.values.max(initial=0.0), 0.0)
        if self.is_free is not None:
            null &= ~self.is_free
        if null.any():
            keep = ~null
            self.values, self.basis = self.values[keep], np.ascontiguousarray(self.basis[:, keep])
            self.is_free = None if self.is_free is None else self.is_free[keep]

    def _generalised(self, gram):
        """A basis in the metric F, penalised directions made orthogonal to the unpenalised columns."""
        free, bound = self.columns, np.flatnonzero(self.factor)
        p, scale = len(gram), 1.0 / np.sqrt(self.factor[bound])
        inner, cross = gram[np.ix_(bound, bound)], gram[np.ix_(free, bound)]
        parts = []
        if free.size:
            values, vectors = _eigh(gram[np.ix_(free, free)])
            keep = values > _EPS * free.size * max(values[-1], _TINY)
            whitened = vectors[:, keep] / np.sqrt(values[keep])
            cross = whitened.T @ cross
            inner = inner - cross.T @ cross
            parts.append(np.zeros((p, whitened.shape[1])))
            parts[0][free] = whitened
        values, vectors = _eigh(scale[:, None] * inner * scale)
        part = np.zeros((p, bound.size))
        part[bound] = scale[:, None] * vectors
        if free.size:
            part[free] = -whitened @ (cross @ part[bound])
        parts.append(part)
        self.basis = np.ascontiguousarray(np.hstack(parts))
        self.is_free = np.arange(self.basis.shape[1]) < self.basis.shape[1] - bound.size
        self.values = np.concatenate([np.zeros(self.basis.shape[1] - bound.size), values])

    def weights_at(self, shifts):
        """1 / (l + shift), 1 in unpenalised directions: (m, n_shifts)."""
        weights = 1.0 / (self.values[:, None] + shifts)
        if self.is_free is not None:
            weights[self.is_free] = 1.0
        return weights

    def coefs(self, cross, shifts):
        """Coefficients (p, n_shifts, T) for cross = X̃'Sy (p, T)."""
        scores = self.weights_at(shifts)[:, :, None] * (self.basis.T @ cross)[:, None, :]
        return np.tensordot(self.basis, scores, 1)

    def fit(self, y, cross, shift):
        return self.solve(self.design.xt_r(y) if cross is None else cross, shift)

    def solve(self, right, shift):
        return self.basis @ (self.weights_at(shift) * (self.basis.T @ right))

    def leave_one_out(self, y, shifts):
        """Yield (rows, errors), the leave-one-out errors (rows, T, n_shifts), by row panel.

        Over a long grid, ``w(c)`` has a small numerical rank (it is a Cauchy matrix), so the products over
        all shifts are made with its left factor, and only the small results are spread over the grid.
        """
        design = self.design
        weights, spread = self._compressed(shifts)
        scores = self.basis.T @ design.xt_r(y)
        fits = (scores[:, :, None] * weights[:, None, :]).reshape(len(weights), y.shape[1] * weights.shape[1])
        z = None
        for start, stop, block in design.panels():
            if z is None or len(z) < stop - start:
                z = np.empty((stop - start, len(weights)))
            panel = np.matmul(block, self.basis, out=z[: stop - start])
            errors = (panel @ fits).reshape(stop - start, y.shape[1], -1)
            np.multiply(panel, panel, out=panel)
            slack = panel @ weights
            if spread is not None:
                errors, slack = errors @ spread, slack @ spread
            np.subtract(y[start:stop, :, None], errors, out=errors)
            if design.fit_intercept:
                slack += 1.0
            slack *= -design.weights[start:stop, None]
            slack += 1.0
            errors /= np.maximum(slack, _EPS, out=slack)[:, None, :]
            yield slice(start, stop), errors

    def _compressed(self, shifts):
        """(left (m, r), right (r, n_shifts)) whose product is `weights_at`, right None for the identity."""
        weights = self.weights_at(shifts)
        if len(shifts) < 16:
            return weights, None
        scale = self.values + shifts.min() if self.is_free is None else 1.0 / weights.max(axis=1)
        left, values, right = np.linalg.svd(scale[:, None] * weights, full_matrices=False)
        rank = int(np.sum(values > _EPS * values[0])) if values.size else 0
        if rank > 0.7 * len(shifts):
            return weights, None
        return left[:, :rank] * values[:rank] / scale[:, None], right[:rank]


class DualSpectrum(Dual):
    """Eigendecomposition of the n x n row Gram outside the intercept and the unpenalised columns, p >= n."""

    def __init__(self, design, factor=None):
        # lifted above every eigenvalue, so that what was taken out comes last and can be cut off
        super().__init__(design, factor, lift=2.0)
        values, vectors = _eigh(self.kernel)
        self.kernel, self.method = None, "eigen"
        keep = design.n - self.basis.shape[1]
        self.values, self.vectors = np.maximum(values[:keep], 0.0), vectors[:, :keep]

    def solve(self, right, shift):
        return self.vectors @ ((self.vectors.T @ right) / (self.values[:, None] + shift))

    def coefs(self, y, shifts):
        """Coefficients (p, n_shifts, T) for centred y (n, T)."""
        scores = (self.vectors.T @ self.outside(self.root * y))[:, None, :]
        total = (self.values[:, None] + shifts)[:, :, None]
        least = _EPS * len(self.vectors) * self.values.max(initial=0.0)  # shift 0: minimum norm
        scores = np.where(total > least, scores / np.maximum(total, _TINY), 0.0)
        dual = self.outside(self.vectors @ scores.reshape(len(scores), len(shifts) * y.shape[1]))
        return self.primal(np.tile(y, (1, len(shifts))), dual).reshape(-1, len(shifts), y.shape[1])

    def leave_one_out(self, y, shifts):
        """As in `PrimalSpectrum`, by blocks of rows of the eigenvectors."""
        design, weights = self.design, 1.0 / (self.values[:, None] + shifts)
        scores = self.vectors.T @ (self.root * y)
        fits = (scores[:, :, None] * weights[:, None, :]).reshape(len(weights), y.shape[1] * weights.shape[1])
        for start in range(0, design.n, 1024):
            rows = slice(start, min(start + 1024, design.n))
            vectors = self.vectors[rows]
            errors = (vectors @ fits).reshape(len(vectors), y.shape[1], -1)
            slack = (vectors * vectors) @ weights
            errors /= np.maximum(slack, _TINY)[:, None, :]
            yield rows, self.unweight_rows(errors, rows)

    def unweight_rows(self, errors, rows):
        root = self.root[rows, :, None]
        return np.divide(errors, root, out=np.zeros_like(errors), where=root > 0)


def _eigh(matrix):
    # SciPy 1.13 gives evd too little work space for one number.
    values, vectors = eigh(matrix, driver="evd" if len(matrix) > 1 else "ev", check_finite=False)
    return values, np.ascontiguousarray(vectors)
