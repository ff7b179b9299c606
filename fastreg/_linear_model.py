"""What linear models of every family have: raw predictions, sparse coefficients, warm starts, the dtype of results."""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.utils.validation import check_is_fitted

from fastreg._validation import check_predict_data

# Numbers of X to cast at once.
PANEL = 1 << 20
# Parameters that scikit-learn does not have.
EXTRA_CONSTRAINTS = {
    "penalty_factor": ["array-like", None],
    "lower": [Real, "array-like", None],
    "upper": [Real, "array-like", None],
    "standardize": ["boolean"],
}


class LinearModel:
    """An estimator with `coef_` and `intercept_` that takes sparse X."""

    def _raw(self, X):
        """X @ coef + intercept, of checked X."""
        check_is_fitted(self)
        X = check_predict_data(self, X)
        coef = self.coef_.T
        if X.dtype == coef.dtype or sparse.issparse(X) or X.size <= PANEL:
            return X @ coef + self.intercept_
        # NumPy would cast all of X at once
        rows = max(1, PANEL // X.shape[1])
        parts = [X[start : start + rows] @ coef for start in range(0, X.shape[0], rows)]
        return np.concatenate(parts) + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class SparseLinearModel(LinearModel):
    """A linear model under a penalty that leaves zeros, within bounds."""

    @property
    def sparse_coef_(self):
        """`coef_` as a CSR matrix (array, if scikit-learn is configured so), one row a target or class."""
        coef = np.atleast_2d(self.coef_)
        return (sparse.csr_array if get_config()["sparse_interface"] == "sparray" else sparse.csr_matrix)(coef)

    def _start(self, shape, penalty):
        """The last coefficients, within the bounds, if `warm_start` and they fit this problem, else None."""
        coef = getattr(self, "coef_", None) if self.warm_start else None
        coef = coef.toarray() if sparse.issparse(coef) else coef
        if coef is None or np.size(coef) != np.prod(shape):
            return None
        coef = np.ascontiguousarray(coef, dtype=np.float64).reshape(shape)
        return np.clip(coef, penalty.lower, penalty.upper) if np.isfinite(coef).all() else None


def coef_dtype(X):
    """Return float32 for float32 X, as scikit-learn does, else float64."""
    return np.float32 if X.dtype == np.float32 else np.float64
