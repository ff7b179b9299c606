"""What linear models of every family have: raw predictions, sparse coefficients, warm starts, warnings."""

import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fastreg._validation import check_predict_data
from fastreg.design import Design

# What scikit-learn does for max_iter=None nowhere says; here it is the default.
DEFAULT_MAX_ITER = 1000
# Numbers of X to cast at once.
PANEL = 1 << 20
# Parameters that scikit-learn does not have.
EXTRA_CONSTRAINTS = {
    "penalty_factor": ["array-like", None],
    "lower": [Real, "array-like", None],
    "upper": [Real, "array-like", None],
    "standardize": ["boolean"],
}


def coef_dtype(X):
    """float32 for float32 X, else float64."""
    return np.float32 if X.dtype == np.float32 else np.float64


class LinearModel:
    """An estimator with `coef_` and `intercept_` that takes sparse X."""

    _keeps_float32 = True  # where scikit-learn's class does

    def _dtype(self, X):
        """Of coefficients."""
        return coef_dtype(X) if self._keeps_float32 else np.float64

    def _design(self, X, sample_weight):
        return Design(X, sample_weight, fit_intercept=self.fit_intercept, standardize=self.standardize)

    def _raw(self, X):
        """X @ coef + intercept, of checked X."""
        check_is_fitted(self)
        X = check_predict_data(self, X)
        coef = self.coef_.T
        if X.dtype == coef.dtype or sparse.issparse(X) or X.size <= PANEL:
            raw = X @ coef
            return (raw.toarray() if sparse.issparse(raw) else raw) + self.intercept_
        # NumPy would cast all of X at once
        rows = max(1, PANEL // X.shape[1])
        parts = [X[start : start + rows] @ coef for start in range(0, X.shape[0], rows)]
        return np.concatenate(parts) + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class LinearDecisions(LinearModel, LinearClassifierMixin):
    """A linear classifier: the class is decided by the raw predictions."""

    def decision_function(self, X):
        """Raw predictions: of two classes the second where they are positive, else the class of the largest.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        raw = self._raw(X)
        return raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw


class LinearValues(LinearModel, RegressorMixin):
    """A linear regressor that predicts its raw predictions."""

    def predict(self, X):
        """Predict with the linear model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        return self._raw(X)


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


def warn_not_converged(model, gap, null, n_iter, *, advice=None, stacklevel=4):
    """Warn that a fit stopped before its certificate was as small as asked for.

    Parameters
    ----------
    model : BaseEstimator
        With `tol` and `max_iter`.
    gap : float or ndarray
        Duality gaps reached.
    null : float or ndarray
        The objective at zero coefficients, the unit of `tol`.
    n_iter : int or ndarray
        Iterations made.
    advice : str, optional
    stacklevel : int, default=4
    """
    with np.errstate(all="ignore"):
        relative = float(np.max(np.asarray(gap) / np.asarray(null)))
    n_iter = int(np.max(n_iter))
    if advice is None:
        most = DEFAULT_MAX_ITER if model.max_iter is None else model.max_iter
        first = "Increase max_iter or tol" if n_iter >= most else "Rounding is in the way: increase tol"
        advice = f"{first}, put the features on one scale (standardize=True), or penalise more."
    warnings.warn(
        f"{type(model).__name__} did not converge: relative duality gap {relative:.1e} after {n_iter} iterations, "
        f"tol={model.tol:g}. {advice}",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )


def warn_path_not_converged(path, tol):
    """Warn of the alphas of a function's path whose certificates are not as small as asked for."""
    if path.converged.all():
        return
    with np.errstate(all="ignore"):
        relative = path.dual_gaps / path.null
    worst = int(np.argmax(relative))
    warnings.warn(
        f"{int((~path.converged).sum())} of {len(path.alphas)} alphas did not converge: relative duality gap up to "
        f"{relative[worst]:.1e} (alpha={path.alphas[worst]:.3g}), tol={tol:g}. Increase max_iter or tol, put the "
        "features on one scale (standardize=True), or leave out the smallest alphas.",
        ConvergenceWarning,
        stacklevel=3,
    )
