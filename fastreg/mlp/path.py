"""mlp_path: a network from dense to sparse."""

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from fastreg._validation import check_alphas
from fastreg.mlp._layers import scaled
from fastreg.penalties import Penalty

# From next to nothing to more than most networks stand, for mean losses.
ALPHAS = np.logspace(-6, -1, 11)


@dataclass(frozen=True)
class MLPPath:
    """What `mlp_path` found, step by step.

    Attributes
    ----------
    estimators : list of estimator
        Fitted; each has its weights at that step.
    penalties : list
        The `penalty` of each step.
    alphas : ndarray of shape (n_steps,) or None
    scores : ndarray of shape (n_steps,)
        Score on X, y.
    validation_scores : ndarray of shape (n_steps,) or None
        Score on X_val, y_val.
    n_non_zeros : ndarray of int of shape (n_steps, n_layers)
    norms : ndarray of shape (n_steps, n_layers)
        Root of the sum of squared weights.
    stationarity : ndarray of shape (n_steps,)
    """

    estimators: list
    penalties: list
    alphas: np.ndarray | None
    scores: np.ndarray
    validation_scores: np.ndarray | None
    n_non_zeros: np.ndarray
    norms: np.ndarray
    stationarity: np.ndarray

    @property
    def coefs(self):
        """Weights: of each step, a list of arrays."""
        return [estimator.coefs_ for estimator in self.estimators]

    @property
    def intercepts(self):
        """Biases: of each step, a list of arrays."""
        return [estimator.intercepts_ for estimator in self.estimators]


def with_alpha(estimator, alpha):
    """An unfitted copy with another strength: `alpha`, or the penalty times alpha where it is an object."""
    twin = clone(estimator)
    penalty = estimator.penalty
    parts = penalty if isinstance(penalty, list | tuple) else [penalty]
    if any(isinstance(part, Penalty) for part in parts):
        return twin.set_params(alpha=alpha, penalty=scaled(penalty, alpha))
    return twin.set_params(alpha=alpha)


def mlp_path(estimator, X, y, *, alphas=None, penalties=None, sample_weight=None, X_val=None, y_val=None):
    """Fit a network under one penalty after the other, each from the weights of the last.

    From dense to sparse: in that order zeros only have to be added, and the network that is made sparse is one that
    has learnt already.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Not changed. Its `penalty` as a name has each alpha as its strength, as an object it is multiplied by it; None
        means scikit-learn's L2.
    X : array-like, dataframe or sparse of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    alphas : array-like of shape (n_steps,), default=None
        Put in increasing order; 11 from 1e-6 to 1e-1 by default.
    penalties : list of penalties, default=None
        In place of alphas: the `penalty` of each step, in this order.
    sample_weight : array-like of shape (n_samples,), default=None
    X_val, y_val : as X and y, default=None
        To be scored at each step.

    Returns
    -------
    MLPPath

    Raises
    ------
    ValueError
        Both of alphas and penalties, one of X_val and y_val, or invalid data.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastreg import MLPClassifier, mlp_path
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((20,), penalty="l1", solver="lbfgs", max_iter=5000, random_state=0)
    >>> path = mlp_path(model, X, y, alphas=[0.001, 0.01, 0.1])
    >>> bool((path.n_non_zeros[0] > path.n_non_zeros[-1]).all())
    True
    """
    if alphas is not None and penalties is not None:
        raise ValueError("Give alphas or penalties, not both.")
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val need each other: give both, or neither.")
    if penalties is None:
        alphas = check_alphas(ALPHAS if alphas is None else alphas)[::-1]
        steps = [with_alpha(estimator, float(alpha)) for alpha in alphas]
    else:
        if not len(penalties):
            raise ValueError("penalties must hold at least one.")
        steps = [clone(estimator).set_params(penalty=penalty) for penalty in penalties]
    model = clone(estimator).set_params(warm_start=True)
    fitted = []
    for step in steps:
        model.set_params(penalty=step.penalty, alpha=step.alpha)
        # without early stopping the validation set is scored below, once a step
        model.fit(X, y, sample_weight, *((X_val, y_val) if model.early_stopping else ()))
        fitted.append(copy.deepcopy(model).set_params(warm_start=estimator.warm_start))
    return MLPPath(
        estimators=fitted,
        penalties=[step.penalty for step in steps],
        alphas=None if penalties is not None else alphas.copy(),
        scores=np.array([model.score(X, y, sample_weight) for model in fitted]),
        validation_scores=None if X_val is None else np.array([model.score(X_val, y_val) for model in fitted]),
        n_non_zeros=np.array([[np.count_nonzero(W) for W in model.coefs_] for model in fitted]),
        norms=np.array([[np.linalg.norm(W) for W in model.coefs_] for model in fitted]),
        stationarity=np.array([np.nan if s is None else s for s in (model.stationarity_ for model in fitted)]),
    )
