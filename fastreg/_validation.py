"""The one gate where user input is checked.

Two speeds. Plain input (a 2-D float array with a matching y, parameters that are plain Python numbers) is
accepted by a handful of comparisons, because a fit on a few hundred rows lasts less than a hundred
microseconds and scikit-learn's general checks alone last longer. Anything unusual, and anything wrong, goes
through scikit-learn's own functions, so the error classes and messages are scikit-learn's.

Nothing here casts X to float: the `Design` reads every real dtype in place.
"""

import math
import numbers

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, check_array, check_consistent_length, validate_data

__all__ = [
    "check_alphas",
    "check_arguments",
    "check_bounds",
    "check_finite_solution",
    "check_fit_data",
    "check_groups",
    "check_params",
    "check_path_data",
    "check_predict_data",
    "check_sample_weight",
]

LARGE = 1 << 20  # elements of X from which the Design is left to find NaN and infinity
_PLAIN_ARRAYS = (np.ndarray, np.memmap)
_PLAIN_TYPES = frozenset((bool, int, float, str, type(None)))
_PLAIN_OR_ARRAY = _PLAIN_TYPES | {type}  # the type stands for the array
_MAX_REMEMBERED = 256
_known_arguments = set()


# ------------------------------------------------------------------------------------------------------------
# constructor parameters


def check_params(estimator):
    """Check the constructor parameters of an estimator, as scikit-learn's fit decorator does.

    Combinations of plain values that scikit-learn's machinery has accepted before are remembered per class.
    Of the parameters that searches vary (`alpha`, `l1_ratio`, `tol`), only the range is looked at and no
    value is remembered.

    Parameters
    ----------
    estimator : BaseEstimator
        With `_parameter_constraints`.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        (a ValueError and a TypeError) unless ``skip_parameter_validation`` is configured.
    """
    cls = type(estimator)
    known = cls.__dict__.get("_known_params")
    if known is None:
        known = cls._known_params = (_rest_names(cls), set())
    names, accepted = known
    values = vars(estimator)
    try:
        rest = tuple([values[name] for name in names])
        # True == 1 == 1.0, so the types are part of the key; of arrays nothing but the type is checked here
        get = values.get
        arrays = (type(get("penalty_factor")), type(get("lower")), type(get("upper")))
        key = (rest, tuple(map(type, rest)), arrays)
        quick = (
            _plain_at_least_0(get("alpha", 0.0))
            and _plain_at_least_0(get("tol", 0.0))
            and (l1_ratio := get("l1_ratio", 0.0)).__class__ is float
            and 0.0 <= l1_ratio <= 1.0
            and key in accepted
        )
    except (KeyError, TypeError):  # a parameter set by hand, or an unhashable value: the slow way decides
        quick, key = False, None
    if quick:
        return
    if get_config()["skip_parameter_validation"]:
        return
    estimator._validate_params()
    if key is not None and _PLAIN_TYPES.issuperset(key[1]):
        if len(accepted) >= _MAX_REMEMBERED:
            accepted.clear()
        accepted.add(key)


def check_arguments(constraints, arguments, caller):
    """Check the arguments of a function, as scikit-learn's `validate_params` does.

    Parameters
    ----------
    constraints : dict
        As `_parameter_constraints`.
    arguments : dict
    caller : str
        For the message.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
    """
    # of an array scikit-learn's constraints look at nothing but the type
    key = tuple([np.ndarray if type(value) is np.ndarray else value for value in arguments.values()])
    types = tuple(map(type, key))
    plain = _PLAIN_OR_ARRAY.issuperset(types)
    if plain and (caller, key, types) in _known_arguments:
        return
    if get_config()["skip_parameter_validation"]:
        return
    validate_parameter_constraints(constraints, arguments, caller_name=caller)
    if plain:
        if len(_known_arguments) >= _MAX_REMEMBERED:
            _known_arguments.clear()
        _known_arguments.add((caller, key, types))


def _rest_names(cls):
    # arrays are not hashable and have a check of their own (check_bounds)
    apart = {"alpha", "l1_ratio", "tol", "penalty_factor", "lower", "upper"}
    return tuple(name for name in cls._get_param_names() if name not in apart)


def _plain_at_least_0(value):
    return (value.__class__ is float or value.__class__ is int) and 0 <= value < math.inf


def check_bounds(n_features, penalty_factor=None, lower=None, upper=None, positive=False):
    """Check the arguments that scikit-learn does not have.

    Parameters
    ----------
    n_features : int
    penalty_factor : None or array-like of shape (n_features,)
        Finite and non-negative.
    lower, upper : None, number or array-like of shape (n_features,)
        ``lower <= 0 <= upper``; infinite entries mean no bound.
    positive : bool
        The same as ``lower=0``.

    Returns
    -------
    penalty_factor, lower, upper : None or ndarray of float64 of shape (n_features,)

    Raises
    ------
    ValueError
        Wrong length, NaN, or a value out of range. The message names the argument.
    """
    if penalty_factor is not None:
        penalty_factor = _per_feature(penalty_factor, "penalty_factor", n_features)
        if not (np.isfinite(penalty_factor).all() and (penalty_factor >= 0).all()):
            raise ValueError(
                "penalty_factor must be finite and non-negative (0 leaves a feature unpenalised); "
                "to keep a feature out of the model, set its lower and upper bounds to 0."
            )
    if lower is not None:
        lower = _per_feature(lower, "lower", n_features)
        if not (lower <= 0).all():
            raise ValueError("lower must be <= 0 for every feature: a coefficient of zero must be allowed.")
    if positive:
        lower = np.zeros(n_features)
    if upper is not None:
        upper = _per_feature(upper, "upper", n_features)
        if not (upper >= 0).all():
            raise ValueError("upper must be >= 0 for every feature: a coefficient of zero must be allowed.")
    return penalty_factor, lower, upper


def check_groups(groups, n_features):
    """Check groups of features.

    Parameters
    ----------
    groups : None, int or array-like of shape (n_features,)
        A label for each feature, or the size of groups of neighbours (the last may be smaller).
    n_features : int

    Returns
    -------
    None or ndarray of int of shape (n_features,)
        From 0 on.

    Raises
    ------
    ValueError
        Another length, or a size below 1.
    """
    if groups is None:
        return None
    if isinstance(groups, numbers.Integral):
        if groups < 1:
            raise ValueError(f"groups must be at least 1 if it is the size of all groups, got {groups}.")
        return np.arange(n_features) // groups
    labels = np.asarray(groups)
    if labels.shape != (n_features,):
        raise ValueError(f"groups has shape {labels.shape}, but X has {n_features} features; pass a label for each.")
    return np.unique(labels, return_inverse=True)[1]


def check_alphas(alphas):
    """Check a grid given by the user and put it in decreasing order.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,)

    Returns
    -------
    ndarray of float64 of shape (n_alphas,)

    Raises
    ------
    TypeError, ValueError
        An entry is not a number, negative or not finite, or there is none.
    """
    plain = type(alphas) is np.ndarray and alphas.ndim == 1 and alphas.dtype == np.float64
    if not (plain and (alphas >= 0).all()):
        for index, alpha in enumerate(alphas):
            check_scalar(alpha, f"alphas[{index}]", numbers.Real, min_val=0.0, include_boundaries="left")
    grid = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    if grid.size == 0 or not np.isfinite(grid).all():
        raise ValueError("alphas must hold at least one number, and only finite ones.")
    return np.ascontiguousarray(grid)


def _per_feature(value, name, n_features):
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number or {n_features} numbers, one per feature of X.") from error
    if array.ndim == 0:
        array = np.full(n_features, float(array))
    if array.shape != (n_features,):
        raise ValueError(
            f"{name} has shape {array.shape}, but X has {n_features} features; pass one number per feature."
        )
    return np.ascontiguousarray(array)


# ------------------------------------------------------------------------------------------------------------
# data


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
    """What the Design reads: native booleans, integers, float32, float64; CSC sorted, without duplicates."""
    dtype = X.dtype
    if dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        X = X.astype(np.float64)
    elif not dtype.isnative:
        X = X.astype(dtype.newbyteorder("="))
    if sparse.issparse(X) and not X.has_canonical_format:
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


def check_predict_data(estimator, X):
    """Check X for `predict` against what the estimator was fitted on.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    X : array-like, dataframe or sparse of shape (n_samples, n_features)

    Returns
    -------
    ndarray, or sparse CSR, CSC or COO

    Raises
    ------
    ValueError
        scikit-learn's own.
    """
    if (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.char in "fd"
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and "feature_names_in_" not in vars(estimator)
    ):
        with np.errstate(all="ignore"):
            if math.isfinite(np.add.reduce(X, None)):
                return X
    with np.errstate(all="ignore"):
        return validate_data(estimator, X, accept_sparse=["csr", "csc", "coo"], reset=False)


# ------------------------------------------------------------------------------------------------------------
# results


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
