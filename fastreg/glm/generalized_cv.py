"""GeneralizedLinearRegressorCV and -ClassifierCV: any loss with any penalty, its strength chosen by folds."""

from functools import partial
from numbers import Integral

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import _raise_for_params

from fastreg._docs import documented
from fastreg._validation import (
    check_alphas,
    check_fit_data,
    check_offset,
    check_params,
)
from fastreg.glm._choice import GeneralizedSearch
from fastreg.glm.generalized import CONSTRAINTS, GeneralizedLinearClassifier, GeneralizedLinearRegressor
from fastreg.linear import MultiTaskLassoCV
from fastreg.losses import Loss
from fastreg.model_selection import (
    GRID_CONSTRAINTS,
    RATIO_CONSTRAINTS,
    CVErrors,
)

PARAMETERS = """penalty : penalty or str, default=None
        As in `GeneralizedLinearRegressor`, with the alphas of the grid in place of its own. None is L1 and L2.
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=1.0
        Share of L1 where `penalty` is None. Of several, cross-validation chooses one.
    {eps}
    {alphas}
    {fit_intercept}
    {cv}
    {groups}
    penalty_factor : array-like of shape (n_features,), default=None
        Per-feature multiplier of alpha, the same within a group; 0 leaves a feature unpenalised. Not for SLOPE.
    lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients, ``lower <= 0 <= upper``, in the units of X. Under SLOPE signs only: 0 or infinite.
    {standardize_folds}
    {glm_tol}
    {newton_steps}
    rule : {'min', '1se', 'aic', 'bic', 'ebic'}, default='min'
        'min' takes the alpha of the smallest mean loss, '1se' the largest alpha whose mean loss is within one standard
        error of the smallest. The others, for the squared, the logistic and the Poisson loss, take the alpha of the
        smallest information criterion on all rows, ``deviance + c df`` with c = 2, log n and log n + 2 log p, and look
        at no folds (`cv` makes no difference); n is the sum of the weights. The deviance of squared errors is
        ``n log(mse)``, and alphas with df > n / 2 are left out.
    {adaptive_folds}
        Of `GroupL1` the norm of a group counts. Not for MCP, SCAD, ExpAbs and SLOPE.
    {relax_folds}"""
ATTRIBUTES = """alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, decreasing.
    loss_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        (Weighted) mean loss of the test rows.
    cv_results_ : dict of ndarray
        `alphas`, `mean_loss`, `std_loss` (over folds), `se_loss` (standard error of the mean), `loss` (per fold, last
        axis); and `l1_ratios`. Of several l1_ratios they have a leading axis. With a criterion `df` and its values.
    criterion_, df_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Only with 'aic', 'bic' and 'ebic', which set no `loss_path_`: the criterion and the degrees of freedom, as in
        `glm_path`.
    {gap_all}
    stationarity_ : float or None
        As in `GeneralizedLinearRegressor`.
    n_iter_ : int
        Newton steps of the fit on all rows.
    {converged}
    {fitted}"""
shared = documented(parameters=PARAMETERS, attributes=ATTRIBUTES)
CV_CONSTRAINTS = (
    {name: constraint for name, constraint in CONSTRAINTS.items() if name not in ("alpha", "warm_start")}
    | {"loss": [str, Loss]}
    | RATIO_CONSTRAINTS
    | GRID_CONSTRAINTS
)


@shared
class GeneralizedLinearRegressorCV(GeneralizedSearch, GeneralizedLinearRegressor):
    """A linear predictor with any smooth loss and any penalty, alpha (and l1_ratio) chosen by cross-validation.

    Minimises, on all rows as on those of a fold, with weights s_i = sample_weight_i / sum(sample_weight)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + alpha penalty(w)

    and chooses the alpha of the least mean loss (half the mean deviance) of the test rows. Squared errors with L1 and
    L2 are quicker in `ElasticNetCV`. Several targets are fitted together for squared errors under `GroupL1`, as in
    `GeneralizedLinearRegressor`; their loss is the sum. Where the penalty is not convex, the fit on all rows is that of
    the path down to `alpha_`.

    Parameters
    ----------
    loss : {'squared', 'huber', 'poisson', 'gamma', 'tweedie', 'logistic'} or one of these losses, default='squared'
        As in `fastreg.losses`, which has their parameters (``Tweedie(power=1.7)``).
    {parameters}

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    l1_ratio_ : float
        The l1_ratio chosen.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import GeneralizedLinearRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GeneralizedLinearRegressorCV("poisson", rule="1se", standardize=True).fit(X, y)
    >>> int((model.coef_ != 0).sum())
    6
    """

    _parameter_constraints: dict = CV_CONSTRAINTS

    def __init__(
        self,
        loss="squared",
        penalty=None,
        *,
        l1_ratio=1.0,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        cv=None,
        groups=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        tol=1e-4,
        max_iter=100,
        rule="min",
        adaptive=None,
        relax=1.0,
    ):
        self.loss = loss
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.groups = groups
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.tol = tol
        self.max_iter = max_iter
        self.rule = rule
        self.adaptive = adaptive
        self.relax = relax

    def fit(self, X, y, sample_weight=None, *, offset=None, **params):
        """Choose alpha by cross-validation, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, used in the fits and in the test errors; only their proportions matter.
        offset : array-like of shape (n_samples,), default=None
            Added to the linear predictor, of test rows as well; for one target.
        **params : dict
            Metadata for the splitter (such as groups), with scikit-learn's metadata routing enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a y outside of the loss's range, or a fit that overflowed.
        """
        _raise_for_params(params, self, "fit")
        check_params(self)
        loss = self._loss()
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        if y.ndim == 2 and y.shape[1] > 1 and self._shares(loss):
            return self._fit_targets(X, y, sample_weight, offset, params)
        y = np.ascontiguousarray(column_or_1d(y, warn=True), dtype=np.float64)
        offset = check_offset(offset, X.shape[0])
        loss.valid(y)
        design, path, penalty = self._search(X, y, loss, y, sample_weight, offset, params)
        self._set_path(path, X)
        self.n_iter_ = self._certify(path, design, penalty, partial(self._perfect, loss, y))
        return self

    def _fit_targets(self, X, y, sample_weight, offset, params):
        """Several targets that share their features: the multi-task lasso at sqrt(n_targets) times alpha."""
        T, folds = y.shape[1], self._folds(X, y, sample_weight, params)
        if folds is None:
            raise ValueError(f"rule={self.rule!r} is for one target.")
        given = None if isinstance(self.alphas, Integral) else check_alphas(self.alphas)
        alphas = self.alphas if given is None else np.sqrt(T) * given
        model = MultiTaskLassoCV(
            eps=self.eps, alphas=alphas, fit_intercept=self.fit_intercept, max_iter=10 * self.max_iter, tol=self.tol,
            cv=folds, penalty_factor=self._shared(X.shape[1], offset)[1], standardize=self.standardize, rule=self.rule,
        ).fit(X, y, sample_weight)  # fmt: skip
        grid = model.alphas_ / np.sqrt(T) if given is None else given
        errors = CVErrors(grid[None], np.ones(1), 0.5 * T * model.cv_results_["mse"][None])
        self._choose(errors.alphas, errors.l1_ratios, errors)
        self.stationarity_ = None
        for name in ("coef_", "intercept_", "dual_gap_", "n_iter_", "converged_"):
            setattr(self, name, getattr(model, name))
        return self


@shared
class GeneralizedLinearClassifierCV(GeneralizedSearch, GeneralizedLinearClassifier):
    """A linear classifier with any smooth loss and any penalty, alpha (and l1_ratio) chosen by cross-validation.

    The objective of one fit is that of `GeneralizedLinearClassifier`, with `alpha` times the penalty; more than two
    classes are fitted together under the same conditions. Chosen is the alpha of the least mean loss of the test rows,
    with the weights that rows have in the fit, `class_weight` included. `LogisticRegressionCV` chooses by any score,
    under L1 and L2.

    Parameters
    ----------
    loss : {'logistic', 'squared', 'huber'} or one of these losses, default='logistic'
    {parameters}
    class_weight : dict, 'balanced' or None, default=None
        As in `LogisticRegression`; 'balanced' is so over all rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    alpha_ : float
        The alpha chosen.
    l1_ratio_ : float
        The l1_ratio chosen.
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of the same shape
    intercept_ : ndarray of shape (1,) or (n_classes,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastreg import MCP, GeneralizedLinearClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GeneralizedLinearClassifierCV("logistic", MCP(1.0), alphas=20, rule="1se", standardize=True).fit(X, y)
    >>> int((model.coef_ != 0).sum())
    6
    """

    _parameter_constraints: dict = CV_CONSTRAINTS | {"class_weight": [dict, StrOptions({"balanced"}), None]}

    def __init__(
        self,
        loss="logistic",
        penalty=None,
        *,
        l1_ratio=1.0,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        cv=None,
        groups=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        tol=1e-4,
        max_iter=100,
        rule="min",
        adaptive=None,
        relax=1.0,
        class_weight=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.groups = groups
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.tol = tol
        self.max_iter = max_iter
        self.rule = rule
        self.adaptive = adaptive
        self.relax = relax
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None, *, offset=None, **params):
        """Choose alpha by cross-validation, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels; a number of folds is stratified by them.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, used in the fits and in the test errors; only their proportions matter.
        offset : array-like of shape (n_samples,), of more than two classes (n_samples, n_classes), default=None
            Added to the linear predictor, of test rows as well.
        **params : dict
            Metadata for the splitter (such as groups), with scikit-learn's metadata routing enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a single class, more than two where loss or penalty know two only, or a fit that
            overflowed.
        """
        _raise_for_params(params, self, "fit")
        check_params(self)
        loss = self._loss()
        X, y, coded, classes, _, weight, offset = self._check_data(X, y, sample_weight, offset)
        K, target = len(classes), self._target(loss, coded, len(classes))
        many = K if K > 2 else None
        design, path, penalty = self._search(X, y, loss, target, weight, offset, params, many)
        self._set_coef(path.dense_coefs()[0], path.intercepts[0], classes, self._dtype(X))
        self.n_iter_ = self._certify(path, design, penalty, partial(self._separated, coded, offset))
        return self
