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
    check_bounds,
    check_finite_solution,
    check_fit_data,
    check_offset,
    check_params,
    check_ratios,
)
from fastreg.design import Design
from fastreg.glm._choice import warn_of_folds
from fastreg.glm.generalized import CONSTRAINTS, GeneralizedLinearClassifier, GeneralizedLinearRegressor
from fastreg.linear import MultiTaskLassoCV
from fastreg.losses import Loss, Softmax
from fastreg.model_selection import (
    GRID_CONSTRAINTS,
    RATIO_CONSTRAINTS,
    AlphaSearch,
    CVErrors,
    criteria,
)
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import glm_alpha_grid, glm_fold_paths, multinomial_alpha_grid, solve_glm, solve_multinomial

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
        Bounds of the coefficients, ``lower <= 0 <= upper``, in the units of X. Not for groups and SLOPE.
    {standardize_folds}
    {glm_tol}
    {newton_steps}
    rule : {'min', '1se', 'aic', 'bic', 'ebic'}, default='min'
        'min' takes the alpha of the smallest mean loss, '1se' the largest alpha whose mean loss is within one standard
        error of the smallest. The others, for the squared, the logistic and the Poisson loss, take the alpha of the
        smallest information criterion on all rows, ``deviance + c df`` with c = 2, log n and log n + 2 log p, and look
        at no folds (`cv` makes no difference); n is the sum of the weights. The deviance of squared errors is
        ``n log(mse)``, and alphas with df > n / 2 are left out."""
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


class GeneralizedSearch(AlphaSearch):
    """What the two share: the choice of alpha (and l1_ratio), and the fit with it."""

    _error = "loss"
    alpha = 1.0  # of a penalty given by its name: those of the grid take its place

    def _search(self, X, y, loss, target, sample_weight, offset, params, n_classes=None):
        """(design, path of the alpha chosen, its penalty); y is what splitters see, ``target`` what the loss does."""
        ratios, penalties = self._penalties(X.shape[1], n_classes)
        folds = self._folds(X, y, sample_weight, params)
        design = Design(X, sample_weight, fit_intercept=self.fit_intercept, standardize=self.standardize)
        options = {"tol": self.tol, "max_iter": self.max_iter}
        if n_classes:
            loss = Softmax()
            grid = partial(multinomial_alpha_grid, design, target, n_classes)
            solve = partial(solve_multinomial, design, target, n_classes, **options)
        else:
            grid = partial(glm_alpha_grid, design, loss, target, offset=offset)
            solve = partial(solve_glm, design, loss, target, offset=offset, **options)
        with np.errstate(all="ignore"):  # overflow shows in the result
            alphas = self._grids(penalties, grid)
            if folds is None:
                *measured, coefs = self._criteria(design, loss, target, offset, solve, alphas, penalties)
            else:
                measured, coefs = self._errors(
                    design, loss, target, sample_weight, folds, alphas, ratios, penalties,
                    n_classes=n_classes, offset=offset, **options,
                )  # fmt: skip
            i_ratio, i_alpha = self._choose(alphas, ratios, measured)
            start, penalty = coefs[i_ratio][i_alpha], penalties[i_ratio]
            path = solve(np.array([self.alpha_]), penalty, coef_init=start)
        self.stationarity_ = None if path.violations is None else float(path.violations[0])
        return design, path, penalty

    def _criteria(self, design, loss, y, offset, solve, alphas, penalties):
        """(criterion, degrees of freedom, coefficients) on all rows."""
        squared = loss.name == "squared"
        if not squared and loss.name not in ("logistic", "softmax", "poisson"):
            raise ValueError(f"rule={self.rule!r} is for the squared, the logistic and the Poisson loss.")
        known = None if squared else loss
        return criteria(design, y, solve, alphas, penalties, self.rule, loss=known, offset=offset)

    def _errors(self, design, loss, y, sample_weight, folds, alphas, ratios, penalties, **options):
        """(CVErrors, coefficients near those of all rows)."""

        def measure(k, raw):
            test = folds[k][1]
            weight = np.ones(len(test)) if sample_weight is None else sample_weight[test]
            return [loss(row, y[test], weight / weight.sum())[0] for row in raw]

        paths = glm_fold_paths(design, loss, y, sample_weight, folds, alphas, penalties, measure=measure, **options)
        check_finite_solution(paths.coefs, paths.intercepts, paths.scores)
        warn_of_folds(type(self).__name__, paths, self.tol, "the smallest alphas", stacklevel=5)
        return CVErrors(alphas, ratios, paths.scores.transpose(1, 2, 0)), paths.coefs.mean(axis=0)

    def _penalties(self, p, n_classes):
        """(l1_ratios, what solvers see of the penalty for each)."""
        if self.penalty is not None:
            penalty = self._features(p, bool(n_classes))[1]
            return np.array([penalty.l1_ratio]), [penalty]
        ratios, bounds = check_ratios(self.l1_ratio), check_bounds(p, self.penalty_factor, self.lower, self.upper)
        return ratios, [FeatureL1L2(p, ratio, *bounds) for ratio in ratios]

    def _grids(self, penalties, grid):
        """The alphas, decreasing, of shape (n_l1_ratios, n_alphas)."""
        if not isinstance(self.alphas, Integral):
            return np.tile(check_alphas(self.alphas), (len(penalties), 1))
        grids = np.array([grid(penalty, eps=self.eps, n_alphas=self.alphas) for penalty in penalties])
        check_finite_solution(grids)
        return grids


@shared
class GeneralizedLinearRegressorCV(GeneralizedSearch, GeneralizedLinearRegressor):
    """A linear predictor with any smooth loss and any penalty, alpha (and l1_ratio) chosen by cross-validation.

    Minimises, on all rows as on those of a fold, with weights s_i = sample_weight_i / sum(sample_weight)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + alpha penalty(w)

    and chooses the alpha of the least mean loss (half the mean deviance) of the test rows. Squared errors with L1 and
    L2 are quicker in `ElasticNetCV`. Several targets are fitted together for squared errors under `GroupL1`, as in
    `GeneralizedLinearRegressor`; their loss is the sum.

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
        self.n_iter_ = self._certify(path, self._perfect(path, design, penalty, loss, y))
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
        offset : array-like of shape (n_samples,), default=None
            Added to the linear predictor, of test rows as well; for two classes.
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
        self._set_coef(path.dense_coefs()[0], path.intercepts[0], classes, X.dtype)
        self.n_iter_ = self._certify(path, self._separated(path, design, penalty, coded, offset))
        return self
