"""How networks take X and y: the gate of `_validation`, for data that is read row by row in its own float type."""

import math

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_array, validate_data

from fastreg._validation import check_predict_data, is_plain

__all__ = ["check_network_data", "check_rows", "float_type", "rows_of"]


def check_network_data(estimator, X, y, *, reset):
    """Check X and y for `fit` and `partial_fit`.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like, dataframe or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    reset : bool
        Whether to set `n_features_in_` (and `feature_names_in_`) or to check X against them.

    Returns
    -------
    X : ndarray or CSR
        As `rows_of` leaves it.
    y : ndarray

    Raises
    ------
    ValueError, TypeError
        scikit-learn's own.
    """
    numeric = not isinstance(estimator, ClassifierMixin)
    options = {"accept_sparse": "csr", "dtype": "numeric", "multi_output": True, "y_numeric": numeric}
    with np.errstate(all="ignore"):  # sums of finite values may overflow on the way
        X, y = validate_data(estimator, X, y, **options, reset=reset)
        if numeric:
            y = check_array(y, ensure_2d=False, dtype=(np.float64, np.float32), input_name="y", estimator=estimator)
    return rows_of(X), y


def check_rows(estimator, X):
    """Check X for `predict`.

    Returns
    -------
    ndarray or CSR
        As `rows_of` leaves it.

    Raises
    ------
    ValueError
        scikit-learn's own.
    """
    if is_plain(estimator, X) and math.isfinite(np.add.reduce(X, None)):
        return X
    return rows_of(check_predict_data(estimator, X))


def float_type(X):
    """What a network computes in where X is this: its own float type, float32 for integers."""
    return np.float64 if X.dtype == np.float64 else np.float32


def rows_of(X):
    """X as networks read it: dense in any strides, of floats, integers or bool, or CSR of floats.

    Batches are cast as they are read, so integers are no copy; they are computed on as float32. A float type that the
    kernels don't know becomes float64.
    """
    if sparse.issparse(X):
        X = X.tocsr()
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
    if X.dtype.kind in "biu" and X.dtype.isnative:
        return X.astype(np.float32) if sparse.issparse(X) else X
    if X.dtype not in (np.float32, np.float64) or not X.dtype.isnative:
        X = X.astype(np.float64)
    return X
