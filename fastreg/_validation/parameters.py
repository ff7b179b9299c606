"""Parameters of estimators and arguments of functions."""

import math
import numbers

import numpy as np
from sklearn import get_config
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import validate_parameter_constraints

_PLAIN_TYPES = frozenset((bool, int, float, str, type(None)))
_PLAIN_OR_ARRAY = _PLAIN_TYPES | {type}  # the type stands for the array
_MAX_REMEMBERED = 256
_known_arguments = set()


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
    return value.__class__ in (float, int, np.float64) and 0 <= value < math.inf


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


def check_alphas(alphas, *, positive=False, decreasing=True):
    """Check a grid given by the user.

    Parameters
    ----------
    alphas : number or array-like of shape (n_alphas,)
    positive : bool, default=False
        Whether 0 is refused.
    decreasing : bool, default=True
        Whether to put it in decreasing order.

    Returns
    -------
    ndarray of float64 of shape (n_alphas,)

    Raises
    ------
    TypeError, ValueError
        An entry is not a number, negative, 0 where `positive`, or not finite; or there is none.
    """
    plain = type(alphas) is np.ndarray and alphas.ndim == 1 and alphas.dtype == np.float64
    if not (plain and (alphas > 0 if positive else alphas >= 0).all()):
        alphas = [alphas] if np.ndim(alphas) == 0 else list(alphas)
        for index, alpha in enumerate(alphas):
            name = f"alphas[{index}]" if len(alphas) > 1 else "alphas"
            boundaries = "neither" if positive else "left"
            check_scalar(alpha, name, numbers.Real, min_val=0.0, include_boundaries=boundaries)
    grid = np.array(alphas, dtype=np.float64)
    if grid.size == 0 or not np.isfinite(grid).all():
        raise ValueError("alphas must hold at least one number, and only finite ones.")
    return np.ascontiguousarray(np.sort(grid)[::-1]) if decreasing else grid


def check_strength(alpha, n_targets):
    """Check the strength of a penalty, a number or one a target.

    Parameters
    ----------
    alpha : float or array-like
    n_targets : int

    Returns
    -------
    float or ndarray of shape (n_targets,)

    Raises
    ------
    ValueError
        A wrong number of alphas, or one that is negative or not finite.
    """
    if alpha.__class__ is float or alpha.__class__ is int:
        return alpha
    alpha = np.asarray(alpha, dtype=np.float64).ravel()
    if len(alpha) not in (1, n_targets):
        raise ValueError(f"Number of targets and number of penalties do not correspond: {len(alpha)} != {n_targets}")
    if not (np.isfinite(alpha).all() and (alpha >= 0).all()):
        raise ValueError("alpha must hold finite numbers >= 0.")
    return alpha


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


def check_ratios(l1_ratio, name="l1_ratio"):
    """One or more shares of L1, an array of shape (n_l1_ratios,).

    Raises
    ------
    ValueError
        Not between 0 and 1, or none.
    """
    try:
        ratios = np.atleast_1d(np.asarray(l1_ratio, dtype=np.float64))
    except (TypeError, ValueError):
        ratios = np.zeros(0)
    if ratios.ndim != 1 or ratios.size == 0 or not ((ratios >= 0) & (ratios <= 1)).all():
        raise ValueError(f"{name} must be one or more numbers between 0 and 1; got {name}={l1_ratio}.")
    return ratios
