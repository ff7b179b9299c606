"""What linear regressors share: prediction, sparse coefficients, fitted attributes, the warning."""

import warnings

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from fastreg._validation import check_bounds, check_finite_solution, check_predict_data
from fastreg.design import Design
from fastreg.solvers import solve_path

# What scikit-learn does for max_iter=None nowhere says; here it is the default.
DEFAULT_MAX_ITER = 1000
# Numbers of X to cast at once.
PANEL = 1 << 20


class LinearRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A regressor with `coef_` and `intercept_`."""

    def predict(self, X):
        """Predict with the linear model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
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


class SparseLinearRegressor(LinearRegressor):
    """A linear regressor fitted by the path solver under an L1 + L2 penalty."""

    @property
    def sparse_coef_(self):
        """`coef_` as a CSR matrix (array, if scikit-learn is configured so), (n_targets, n_features)."""
        coef = np.atleast_2d(self.coef_)
        if get_config()["sparse_interface"] == "sparray":
            return sparse.csr_array(coef)
        return sparse.csr_matrix(coef)

    def _design(self, X, sample_weight):
        return Design(X, sample_weight, fit_intercept=self.fit_intercept, standardize=self.standardize)

    def _bounds(self, n_features):
        values = vars(self)  # the multi-task estimators have no bounds
        return check_bounds(
            n_features,
            self.penalty_factor,
            values.get("lower"),
            values.get("upper"),
            values.get("positive", False),
        )

    def _coef_init(self, y, penalty):
        """Return the last coefficients, within the bounds, if their number fits this problem, else None."""
        coef = getattr(self, "coef_", None)
        shape = (penalty.p,) if y.ndim == 1 else (y.shape[1], penalty.p)
        if coef is None or np.size(coef) != np.prod(shape):
            return None
        coef = np.ascontiguousarray(coef, dtype=np.float64).reshape(shape)
        return np.clip(coef, penalty.lower, penalty.upper) if np.isfinite(coef).all() else None

    def _fit_one_alpha(self, design, y, alpha, penalty, *, coef_init=None, multitask=False, dtype=np.float64):
        """Solve for one alpha and set the fitted attributes.

        Parameters
        ----------
        design : Design
        y : ndarray of float64 of shape (n_samples,) or (n_samples, n_targets)
        alpha : float
        penalty : FeatureL1L2
        coef_init : None or ndarray of shape (n_features,) or (n_targets, n_features)
        multitask : bool
            One row-sparse problem for all targets, instead of one problem a target.
        dtype : dtype
            Of `coef_`.

        Returns
        -------
        Path
            Of length one.
        """
        with np.errstate(all="ignore"):  # overflow shows in the result
            path = solve_path(
                design,
                y,
                np.array([alpha], dtype=np.float64),
                penalty,
                tol=self.tol,
                max_iter=self.max_iter or DEFAULT_MAX_ITER,
                coef_init=coef_init,
                multitask=multitask,
            )
            coef = path.dense_coefs()[0]
            coef, intercept = coef.astype(dtype), path.intercepts[0].astype(dtype)
        gap, n_iter, converged = path.dual_gaps[0], path.n_iters[0], path.converged[0]
        check_finite_solution(coef, intercept, gap)
        self.intercept_ = intercept if self.fit_intercept else 0.0
        if np.ndim(gap) == 0:
            self.dual_gap_, self.n_iter_, self.converged_ = gap, int(n_iter), bool(converged)
        elif len(gap) == 1:  # y was a column
            coef = coef[0]
            self.dual_gap_, self.n_iter_, self.converged_ = gap[0], int(n_iter[0]), bool(converged[0])
        else:
            self.dual_gap_, self.n_iter_, self.converged_ = gap, n_iter.tolist(), converged
        self.coef_ = coef
        if not np.all(converged):
            warn_not_converged(self, gap, path.null, n_iter)
        return path


def coef_dtype(X):
    """Return float32 for float32 X, as scikit-learn does, else float64."""
    return np.float32 if X.dtype == np.float32 else np.float64


def warn_not_converged(estimator, gap, null, n_iter):
    """Warn that a fit stopped before its certificate was as small as asked for.

    Parameters
    ----------
    estimator : BaseEstimator
        With `tol` and `max_iter`.
    gap : float or ndarray
        Duality gaps reached.
    null : float or ndarray
        The objective at zero coefficients, the unit of `tol`.
    n_iter : int or ndarray
        Iterations made.
    """
    with np.errstate(all="ignore"):
        relative = float(np.max(np.asarray(gap) / np.asarray(null)))
    n_iter = int(np.max(n_iter))
    if n_iter >= (estimator.max_iter or DEFAULT_MAX_ITER):
        advice = "Increase max_iter or tol"
    else:
        advice = "Rounding is in the way, so increase tol"
    warnings.warn(
        f"{type(estimator).__name__} did not converge: relative duality gap {relative:.1e} after {n_iter} "
        f"iterations, tol={estimator.tol:g}. {advice}, put the features on one scale (standardize=True), or "
        "increase alpha.",
        ConvergenceWarning,
        stacklevel=4,
    )
