"""What a penalty means for the features of a linear model."""

import numpy as np

from fastreg.penalties import as_penalty
from fastreg.penalties.blocks import GroupL1
from fastreg.penalties.features import FeatureL1L2
from fastreg.penalties.featurewise import FeatureSeparable
from fastreg.penalties.groups import FeatureGroups
from fastreg.penalties.penalty import Separable
from fastreg.penalties.separable import L1L2, Bounds, NonNegative
from fastreg.penalties.slope import SLOPE


def linear_penalty(value, alpha=1.0):
    """A penalty from what a user may write: as `as_penalty`, and 'slope' or a `SLOPE`.

    Parameters
    ----------
    value : None, penalty or str
    alpha : float, default=1.0
        The strength where `value` is a string.

    Returns
    -------
    None, Penalty or SLOPE

    Raises
    ------
    ValueError, TypeError
        As `as_penalty`; MaxNorm, which is about neurons.
    """
    if isinstance(value, SLOPE):
        return value
    if isinstance(value, str) and value.lower() == "slope":
        return SLOPE(alpha)
    penalty = as_penalty(value, alpha)
    if penalty is not None and not _makers(penalty):
        raise ValueError(f"{penalty!r} is a penalty of networks; linear models have no neurons.")
    return penalty


def _makers(penalty):
    return [make for kind, make in _MAKERS.items() if isinstance(penalty, kind)]


def feature_penalty(penalty, p, factor=None, lower=None, upper=None, groups=None):
    """(alpha, what solvers see) of a penalty on p features.

    Parameters
    ----------
    penalty : None, Penalty or SLOPE
    p : int
    factor, lower, upper : None or ndarray of shape (p,)
    groups : None or ndarray of int of shape (p,)

    Returns
    -------
    alpha : float
    penalty : FeatureL1L2, FeatureSeparable, FeatureGroups or FeatureSorted
        Of strength 1.

    Raises
    ------
    ValueError
        Factors, bounds or groups that the penalty can't have, or has to.
    """
    if penalty is None:
        return 0.0, FeatureL1L2(p, 1.0, factor, lower, upper)
    return _makers(penalty)[0](penalty, p, factor, lower, upper, groups)


def _l1l2(penalty, p, factor, lower, upper, groups):
    alpha = penalty.l1 + penalty.l2
    return alpha, FeatureL1L2(p, penalty.l1 / alpha if alpha > 0 else 1.0, factor, lower, upper)


def _bounds(penalty, p, factor, lower, upper, groups):
    low, high = (0.0, np.inf) if isinstance(penalty, NonNegative) else penalty.args
    low = np.full(p, low) if lower is None else np.maximum(lower, low)
    high = np.full(p, high) if upper is None else np.minimum(upper, high)
    return 0.0, FeatureL1L2(p, 1.0, factor, low, high)


def _separable(penalty, p, factor, lower, upper, groups):
    alpha, *rest = penalty.args
    return alpha, FeatureSeparable(type(penalty)(1.0, *rest), p, factor, lower, upper)


def _groups(penalty, p, factor, lower, upper, groups):
    if groups is None:
        raise ValueError(f"{penalty!r} needs groups=: a label for each feature, or the size of groups of neighbours.")
    if factor is not None:
        order = np.argsort(groups, kind="stable")
        if (np.diff(groups[order]) == 0)[np.diff(factor[order]) != 0].any():
            raise ValueError("penalty_factor must be the same for all features of a group.")
    return penalty.args[0], FeatureGroups(groups, penalty.args[2], factor, lower, upper)


def _slope(penalty, p, factor, lower, upper, groups):
    if any(bound is not None and (np.isfinite(bound) & (bound != 0)).any() for bound in (lower, upper)):
        raise ValueError(
            "Under SLOPE lower and upper say signs: each is 0 or infinite. For other bounds take L1, MCP or GroupL1."
        )
    if factor is not None and (factor != 1).any():
        raise ValueError("SLOPE has no penalty_factor: what it charges goes by the order of the coefficients.")
    return penalty.args[0], penalty.features(p, lower, upper)


_MAKERS = {L1L2: _l1l2, Bounds: _bounds, Separable: _separable, GroupL1: _groups, SLOPE: _slope}
