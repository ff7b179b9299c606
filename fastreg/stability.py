"""StabilitySelection: which features a sparse model takes on most halves of the rows."""

from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from fastreg._docs import documented
from fastreg._validation import check_params, check_sample_weight
from fastreg.design import Design
from fastreg.linear import ElasticNet, Lasso
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import solve_path


@documented
class StabilitySelection(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Features that a sparse model selects on a large share of random halves of the rows.

    The rows are split at random into two halves (of each class, for a classifier), both are fitted, and so on: Shah's
    and Samworth's complementary pairs (2013) of Meinshausen's and Bühlmann's method (2010). A half is the whole X with
    weight 0 on the other rows: X is not copied.

    Parameters
    ----------
    estimator : estimator, default=None
        With `coef_` and `sample_weight` in its `fit`; it is cloned. None is ``Lasso()``.
    alphas : int or array-like of shape (n_alphas,), default=None
        Strengths of the penalty to fit: values of the estimator's parameter `alpha`, or, if it has none, of `C`. A
        number is the length of an automatic grid, from the strength at which all rows select a first feature down to
        `eps` times that. None is the strength that the estimator has.
    eps : float, default=0.1
        The weakest penalty of an automatic grid, as a share of the strongest; `error_bound` grows as it gets weaker.
    threshold : float, default=0.6
        A feature is selected whose largest frequency over `alphas` is at least this. It may be changed after `fit`.
    n_subsamples : int, default=100
        Number of halves; an odd one is rounded up.
    random_state : int, RandomState or None, default=None
        Draws the halves.
    n_jobs : int or None, default=None
        Processes that fit halves side by side, as in joblib. The solvers use threads by themselves.

    Attributes
    ----------
    alphas_ : ndarray of shape (n_alphas,)
        From the strongest penalty to the weakest.
    stability_path_ : ndarray of shape (n_features, n_alphas)
        Share of the halves in which a coefficient is not 0.
    frequencies_ : ndarray of shape (n_features,)
        Their maximum over `alphas_`.
    n_selected_ : float
        Mean number of features that a half selects at some alpha.
    {fitted}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import Lasso, StabilitySelection
    >>> X, y = load_diabetes(return_X_y=True)
    >>> selection = StabilitySelection(Lasso(), alphas=[1.0, 0.5], threshold=0.9, random_state=0).fit(X, y)
    >>> selection.transform(X).shape
    (442, 3)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"]), None],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "threshold": [Interval(Real, 0, 1, closed="right")],
        "n_subsamples": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        alphas=None,
        threshold=0.6,
        n_subsamples=100,
        random_state=None,
        n_jobs=None,
        eps=0.1,
    ):
        self.estimator = estimator
        self.alphas = alphas
        self.threshold = threshold
        self.n_subsamples = n_subsamples
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.eps = eps

    def fit(self, X, y, sample_weight=None):
        """Fit all halves and count.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            With several targets or classes a feature counts as selected where any of its coefficients is not 0.
        sample_weight : array-like of shape (n_samples,), default=None
            Used in the fits; halves are drawn without it, among rows of positive weight.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or an estimator without a strength where `alphas` are given.
        """
        check_params(self)
        X, y = validate_data(self, X, y, accept_sparse="csc", dtype="numeric", multi_output=True)
        weight = check_sample_weight(sample_weight, X)
        weight = np.ones(X.shape[0]) if weight is None else weight
        estimator = Lasso() if self.estimator is None else self.estimator
        name, grid = self._grid(estimator, X, y, weight)
        halves = self._halves(y, weight, is_classifier(estimator))
        found = Parallel(n_jobs=self.n_jobs)(delayed(_selected)(estimator, X, y, v, name, grid) for v in halves)
        self.stability_path_ = np.mean(found, axis=0)
        self.n_selected_ = float(np.mean([part.any(axis=1).sum() for part in found]))
        self.alphas_ = grid
        self.frequencies_ = self.stability_path_.max(axis=1)
        return self

    def _grid(self, estimator, X, y, weight):
        """The parameter that is the strength, and its values from the strongest penalty to the weakest."""
        params = estimator.get_params()
        name = next((name for name in ("alpha", "C") if name in params), None)
        if name is None:
            if self.alphas is not None:
                raise ValueError(f"{type(estimator).__name__} has neither alpha nor C; pass alphas=None.")
            return None, np.array([np.nan])
        if isinstance(self.alphas, Integral):
            grid = _strongest(estimator, X, y, weight, name) * np.geomspace(1, self.eps, int(self.alphas))
            return name, grid if name == "alpha" else 1 / grid
        grid = np.asarray([params[name]] if self.alphas is None else self.alphas, dtype=np.float64)
        if grid.ndim != 1 or not grid.size or not (grid >= 0).all():
            raise ValueError("alphas must be one or more non-negative numbers.")
        return name, np.sort(grid)[::-1] if name == "alpha" else np.sort(grid)

    def _halves(self, y, weight, stratified):
        """Yield the weights of both halves of each pair."""
        rng = check_random_state(self.random_state)
        rows = np.flatnonzero(weight > 0)
        groups = [rows]
        if stratified:
            codes = np.unique(y, return_inverse=True)[1]
            groups = [rows[codes[rows] == k] for k in np.unique(codes[rows])]
        if any(len(group) < 2 for group in groups):
            what = "a class" if stratified else "y"
            raise ValueError(f"Halves need at least 2 rows with a positive weight, but {what} has 1 sample.")
        for _ in range((self.n_subsamples + 1) // 2):
            order = [rng.permutation(group) for group in groups]
            for side in (0, 1):
                half = np.zeros(len(weight))
                for group in order:
                    m = len(group) // 2
                    chosen = group[side * m : (side + 1) * m]
                    half[chosen] = weight[chosen]
                yield half

    def error_bound(self):
        """Bound of the expected number of falsely selected features.

        It is ``n_selected_**2 / ((2 threshold - 1) n_features)``, and holds where noise features are exchangeable and a
        guess would do no better (Meinshausen and Bühlmann). Without these assumptions it bounds the expected number of
        selected features that a half selects with no more than the average probability, ``n_selected_ / n_features``
        (Shah and Samworth).

        Returns
        -------
        float
            inf for a threshold of 0.5 or less.
        """
        check_is_fitted(self)
        if self.threshold <= 0.5:
            return np.inf
        return self.n_selected_**2 / ((2 * self.threshold - 1) * len(self.frequencies_))

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.frequencies_ >= self.threshold

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.classifier_tags = tags.regressor_tags = None
        return tags


def _strongest(estimator, X, y, weight, name):
    """The strength, alpha or 1 / C, below which all rows select a feature that bears the penalty, to 0.1 %."""
    factor = getattr(estimator, "penalty_factor", None)
    charged = np.ones(X.shape[1], dtype=bool) if factor is None else np.asarray(factor) > 0

    def selects(strength):
        value = strength if name == "alpha" else 1 / strength
        return _selected(estimator, X, y, weight, name, np.array([value]))[charged].any()

    own = estimator.get_params()[name]
    strength = float(own if name == "alpha" else 1 / own) or 1.0
    first, step = selects(strength), 2.0
    low = high = strength
    while selects(high if first else low) == first:
        low, high = (high, high * step) if first else (low / step, low)
        step **= 1.5
        if not 1e-30 < low / strength <= high / strength < 1e30:
            few = "every feature" if first else "no feature"
            raise ValueError(
                f"{estimator} selects {few} at any {name}: an automatic grid needs a penalty that leaves zeros, and y "
                "that X says something of; or pass alphas."
            )
    while high > 1.001 * low:
        middle = np.sqrt(low * high)
        low, high = (middle, high) if selects(middle) else (low, middle)
    return high


def _selected(estimator, X, y, weight, name, grid):
    """(n_features, n_alphas) of bool: which coefficients are not 0."""
    model = clone(estimator)
    if (
        name == "alpha" and isinstance(model, ElasticNet) and not model._staged
    ):  # one Gram matrix, or working set, for all alphas
        model.set_params(alpha=grid[-1])
        check_params(model)
        penalty = FeatureL1L2(X.shape[1], model.l1_ratio, *model._bounds(X.shape[1]))
        design = Design(X, weight, fit_intercept=model.fit_intercept, standardize=model.standardize)
        target = np.ascontiguousarray(y, dtype=np.float64)
        with np.errstate(all="ignore"):
            path = solve_path(design, target, grid, penalty, tol=model.tol, max_iter=model.max_iter or 1000)
        coefs = path.dense_coefs()
        return (coefs != 0).reshape(len(grid), -1, X.shape[1]).any(axis=1).T
    if "warm_start" in model.get_params():
        model.set_params(warm_start=True)
    found = []
    for value in grid:
        if name is not None:
            model.set_params(**{name: value})
        model.fit(X, y, sample_weight=weight)
        found.append((np.asarray(model.coef_) != 0).reshape(-1, X.shape[1]).any(axis=0))
    return np.array(found).T
