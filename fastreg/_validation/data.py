"""Data for fits and predictions, and what a fit ends with."""

import math
import numbers

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_sample_weight, check_array, check_consistent_length, validate_data

LARGE = 1 << 20  # elements of X from which the Design is left to find NaN and infinity
_PLAIN_ARRAYS = (np.ndarray, np.memmap)


def check_fit_data(estimator, X, y, sample_weight=None, *, scalar_weight=False):
    """Check X, y and sample_weight for `fit` and set `n_features_in_` (and `feature_names_in_`).

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like, dataframe or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    sample_weight : None, number or array-like of shape (n_samples,)
    scalar_weight : bool
        Whether a number as `sample_weight` counts as that weight for every row (it does in Ridge's objective,
        whose loss is a sum) or makes no difference.

    Returns
    -------
    X : ndarray (any real dtype and strides) or CSC matrix or array in canonical format
    y : ndarray of float64, C-contiguous, 1-D or 2-D as given
    sample_weight : None or ndarray of float64 of shape (n_samples,)

    Raises
    ------
    ValueError, TypeError
        scikit-learn's own.
    """
    if not _accept(X, y):
        with np.errstate(all="ignore"):  # sums of finite values may overflow on the way
            X, y = validate_data(
                estimator, X, y, accept_sparse="csc", dtype="numeric", multi_output=True, y_numeric=True
            )
            X = _readable(X)
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=estimator)
    else:
        estimator.n_features_in_ = X.shape[1]
        # names of an earlier fit on a dataframe
        vars(estimator).pop("feature_names_in_", None)
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, X, scalar_weight=scalar_weight)
    if y.dtype != np.float64 or not y.flags.c_contiguous:
        y = np.ascontiguousarray(y, dtype=np.float64)
    return X, y, sample_weight


def _accept(X, y):
    """Whether X and y are plain arrays that need nothing more."""
    if type(X) not in _PLAIN_ARRAYS or type(y) not in _PLAIN_ARRAYS or X.ndim != 2 or y.ndim not in (1, 2):
        return False
    if X.dtype.char not in "fd" or y.dtype.char not in "fdlqi" or not (X.dtype.isnative and y.dtype.isnative):
        return False
    n, p = X.shape
    if n == 0 or p == 0 or y.shape[0] != n or y.size == 0:
        return False
    # A sum is finite only if every term is; a sum of finite terms that overflows gets scikit-learn's exact
    # look. On a large X it would cost a pass: there the Design looks, at the column statistics it makes anyway.
    with np.errstate(all="ignore"):
        return (X.size > LARGE or math.isfinite(np.add.reduce(X, None))) and math.isfinite(np.add.reduce(y, None))


def _readable(X):
    """What the Design reads: booleans, integers, floats; CSC of native ones up to float64, sorted, no duplicates."""
    dtype = X.dtype
    if dtype.kind not in "biuf":
        X = X.astype(np.float64)
    elif sparse.issparse(X):
        if dtype.kind == "f" and dtype.itemsize not in (4, 8):
            X = X.astype(np.float64)
        elif not dtype.isnative:
            X = X.astype(dtype.newbyteorder("="))
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
    return X


def check_path_data(X, y, sample_weight, check_input=True):
    """Check X, y and sample_weight for the path functions, which have no estimator to set names on.

    Parameters
    ----------
    X : array-like or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    sample_weight : None, number or array-like of shape (n_samples,)
    check_input : bool
        False if X and y are known to be arrays of finite floats, or CSC.

    Returns
    -------
    X, y, sample_weight
        As `check_fit_data`.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's own.
    """
    if check_input and not _accept(X, y):
        with np.errstate(all="ignore"):
            X = _readable(check_array(X, accept_sparse="csc", dtype="numeric", input_name="X"))
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(X, y)
    sample_weight = check_sample_weight(sample_weight, X)
    return X, np.ascontiguousarray(y, dtype=np.float64), sample_weight


def check_sample_weight(sample_weight, X, *, scalar_weight=False):
    """Check sample weights: finite, non-negative, not all zero, one per row of X.

    Parameters
    ----------
    sample_weight : None, number or array-like of shape (n_samples,)
    X : ndarray or sparse of shape (n_samples, n_features)
    scalar_weight : bool
        What a number means, see `check_fit_data`.

    Returns
    -------
    None or ndarray of float64 of shape (n_samples,)

    Raises
    ------
    ValueError
    """
    if sample_weight is None or (isinstance(sample_weight, numbers.Number) and not scalar_weight):
        return None
    sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    with np.errstate(over="ignore"):
        total = np.add.reduce(sample_weight)
    if total == math.inf:
        raise ValueError("The sum of sample_weight overflows float64; divide the weights by their maximum.")
    return sample_weight


def check_offset(offset, n_samples, n_classes=2):
    """Check what is added to the raw prediction of each row.

    Parameters
    ----------
    offset : None or array-like of shape (n_samples,), of more than two classes (n_samples, n_classes)
    n_samples, n_classes : int

    Returns
    -------
    None or ndarray of float64 of the same shape

    Raises
    ------
    ValueError
    """
    if offset is None:
        return None
    offset = check_array(offset, ensure_2d=False, dtype=np.float64, input_name="offset")
    if n_classes > 2 and offset.shape != (n_samples, n_classes):
        raise ValueError(
            f"offset has shape {offset.shape}, but X has {n_samples} rows and y {n_classes} classes; pass one number a "
            "row and class."
        )
    if n_classes == 2 and offset.shape != (n_samples,):
        raise ValueError(f"offset has shape {offset.shape}, but X has {n_samples} rows; pass one number a row.")
    return np.ascontiguousarray(offset)


def is_plain(estimator, X):
    """Whether X needs no check for `predict` but that its numbers are finite."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.char in "fd"
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and "feature_names_in_" not in vars(estimator)
    )


def check_predict_data(estimator, X):
    """Check X for `predict` against what the estimator was fitted on.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    X : array-like, dataframe or sparse of shape (n_samples, n_features)

    Returns
    -------
    ndarray, or sparse CSR or CSC

    Raises
    ------
    ValueError
        scikit-learn's own.
    """
    if is_plain(estimator, X):
        with np.errstate(all="ignore"):
            if math.isfinite(np.add.reduce(X, None)):
                return X
    with np.errstate(all="ignore"):
        return validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=False)


def check_finite_solution(*arrays):
    """Raise if a fit overflowed.

    Parameters
    ----------
    *arrays : ndarray or float
        Coefficients, intercepts, gaps.

    Raises
    ------
    ValueError
    """
    for array in arrays:
        if not (math.isfinite(array) if isinstance(array, float) else np.isfinite(array).all()):
            raise ValueError(
                "The fit overflowed: it ended in non-finite parameter values. X or y holds values too large "
                "for float64 sums of squares; scale them (for example with sklearn's StandardScaler)."
            )
