"""Fits in two stages: penalties adapted to a first fit (Zou, 2006), and refits on the support (Meinshausen, 2007)."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2

STAGE_CONSTRAINTS = {
    "adaptive": [StrOptions({"own", "ridge"}), None],
    "relax": [Interval(Real, 0, 1, closed="both")],
}


def adapt(penalty, coef, scale):
    """The penalty with each feature's factor divided by the size of its coefficient in a first fit.

    Sizes are shares of the largest one, so that the largest keeps its factor. A feature that the first fit left out is
    held at 0.

    Parameters
    ----------
    penalty : FeatureL1L2
        In the units of X.
    coef : ndarray of shape (n_features,) or (n_classes, n_features)
        Of several classes a feature's norm counts.
    scale : ndarray of shape (n_features,)
        What the penalty sees of a coefficient is ``coef * scale``.

    Returns
    -------
    FeatureL1L2
    """
    size = np.linalg.norm(np.atleast_2d(coef) * scale, axis=0)
    charged = penalty.factor > 0
    largest = size[charged].max(initial=0.0)
    out = charged & (size <= 0)
    share = np.where(charged & ~out, size / (largest or 1.0), 1.0)
    if not out.any():
        bounds = (penalty.lower, penalty.upper) if penalty.bounded else (None, None)
    else:
        bounds = np.where(out, 0.0, penalty.lower), np.where(out, 0.0, penalty.upper)
    return FeatureL1L2(penalty.p, penalty.l1_ratio, penalty.factor / share, *bounds)


def on_support(design, coef, penalty, sample_weight):
    """(support, the design of these columns, a penalty of nothing but their bounds) for a refit.

    Parameters
    ----------
    design : Design
    coef : ndarray of shape (n_features,) or (n_classes, n_features)
    penalty : FeatureL1L2
        Its bounds hold for the refit as well.
    sample_weight : None or ndarray of shape (n_samples,)

    Returns
    -------
    support : ndarray of int
    Design
    FeatureL1L2
    """
    support = np.flatnonzero(np.atleast_2d(coef).any(axis=0))
    bounds = (penalty.lower[support], penalty.upper[support]) if penalty.bounded else (None, None)
    part = Design(design.X[:, support], sample_weight, fit_intercept=design.fit_intercept)
    return support, part, FeatureL1L2(len(support), 1.0, None, *bounds)
