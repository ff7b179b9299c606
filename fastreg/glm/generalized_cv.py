"""GeneralizedLinearRegressorCV: any loss with any penalty, its strength chosen by cross-validation."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params

from fastreg._docs import documented
from fastreg._linear_model import coef_dtype
from fastreg._validation import (
    check_alphas,
    check_bounds,
    check_finite_solution,
    check_fit_data,
    check_groups,
    check_offset,
    check_params,
    check_ratios,
)
from fastreg.design import Design
from fastreg.glm._choice import criteria, warn_of_folds
from fastreg.glm.generalized import CONSTRAINTS, smooth
from fastreg.glm.regressors import GLMRegressor
from fastreg.losses import Loss
from fastreg.model_selection import CRITERIA, CVErrors, SplitterRouting, choose_alpha, make_folds
from fastreg.penalties.features import FeatureL1L2
from fastreg.penalties.linear import feature_penalty, linear_penalty
from fastreg.solvers import glm_alpha_grid, glm_fold_paths, solve_glm


@documented
class GeneralizedLinearRegressorCV(SplitterRouting, GLMRegressor):
    """A linear predictor with any smooth loss and any penalty, alpha (and l1_ratio) chosen by cross-validation.

    Minimises, on all rows as on those of a fold, with weights s_i = sample_weight_i / sum(sample_weight)::

        sum_i s_i loss(x_i w + b + offset_i, y_i) + alpha penalty(w)

    and chooses the alpha of the least mean loss (half the mean deviance) of the test rows. Squared errors with L1 and
    L2 are quicker in `ElasticNetCV`, classes in `LogisticRegressionCV`.

    Parameters
    ----------
    loss : {'squared', 'huber', 'poisson', 'gamma', 'tweedie', 'logistic'} or one of these losses, default='squared'
        As in `fastreg.losses`, which has their parameters (``Tweedie(power=1.7)``).
    penalty : penalty or str, default=None
        As in `GeneralizedLinearRegressor`, with the alphas of the grid in place of its own. None is L1 and L2.
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=1.0
        Share of L1 where `penalty` is None. Of several, cross-validation chooses one.
    {eps}
    {alphas}
    {fit_intercept}
    {cv}
    {groups}
    {factor_alpha}
    {bounds}
    {standardize_folds}
    {glm_tol}
    {newton_steps}
    rule : {'min', '1se', 'aic', 'bic', 'ebic'}, default='min'
        'min' takes the alpha of the smallest mean loss, '1se' the largest alpha whose mean loss is within one standard
        error of the smallest. The others, for the logistic and the Poisson loss with L1 and L2, take the alpha of the
        smallest information criterion on all rows, ``deviance + c df`` with c = 2, log n and log n + 2 log p, and look
        at no folds (`cv` makes no difference); n is the sum of the weights.

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    l1_ratio_ : float
        The l1_ratio chosen.
    coef_ : ndarray of shape (n_features,)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, decreasing.
    loss_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        (Weighted) mean loss of the test rows.
    cv_results_ : dict of ndarray
        `alphas`, `mean_loss`, `std_loss` (over folds), `se_loss` (standard error of the mean), `loss` (per fold, last
        axis); and `l1_ratios`. Of several l1_ratios they have a leading axis.
    criterion_, df_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Only with 'aic', 'bic' and 'ebic', which set no `loss_path_` and `cv_results_`: the criterion and the degrees of
        freedom, the number of coefficients or, with an L2 part, the trace of the hat matrix.
    {gap_all}
    stationarity_ : float or None
        As in `GeneralizedLinearRegressor`.
    n_iter_ : int
        Newton steps of the fit on all rows.
    {converged}
    {fitted}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import GeneralizedLinearRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GeneralizedLinearRegressorCV("poisson", rule="1se", standardize=True).fit(X, y)
    >>> int((model.coef_ != 0).sum())
    6
    """

    _parameter_constraints: dict = {
        name: constraint for name, constraint in CONSTRAINTS.items() if name not in ("alpha", "warm_start")
    } | {
        "loss": [str, Loss],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "cv": ["cv_object"],
        "rule": [StrOptions({"min", "1se", *CRITERIA})],
    }

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
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, used in the fits and in the test errors; only their proportions matter.
        offset : array-like of shape (n_samples,), default=None
            Added to the linear predictor, of test rows as well.
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
        y = np.ascontiguousarray(column_or_1d(y, warn=True), dtype=np.float64)
        offset = check_offset(offset, X.shape[0])
        loss.valid(y)
        ratios, penalties = self._penalties(X.shape[1])
        design = Design(X, sample_weight, fit_intercept=self.fit_intercept, standardize=self.standardize)
        options = {"offset": offset, "tol": self.tol, "max_iter": self.max_iter}
        with np.errstate(all="ignore"):  # overflow shows in the result
            alphas = self._grids(design, loss, y, penalties, offset)
            if self.rule in CRITERIA:
                if loss.name not in ("logistic", "poisson") or penalties[0].composite:
                    raise ValueError(f"rule={self.rule!r} is for the logistic and the Poisson loss with L1 and L2.")
                values, df, coefs = criteria(design, loss, y, alphas, penalties, self.rule, **options)
                self.criterion_, self.df_ = (part[0] if len(ratios) == 1 else part for part in (values, df))
                i_ratio, i_alpha = choose_alpha(values, np.zeros_like(values))
                start = coefs[i_ratio][i_alpha]
            else:
                split_params = self._split_params(sample_weight, params)
                folds = make_folds(self.cv, X, y, split_params, sample_weight=sample_weight)
                i_ratio, i_alpha, start = self._by_folds(
                    design, loss, y, sample_weight, folds, alphas, ratios, penalties, options
                )
            self.alphas_ = alphas if len(ratios) > 1 else alphas[0]
            self.alpha_, self.l1_ratio_ = float(alphas[i_ratio, i_alpha]), float(ratios[i_ratio])
            penalty = penalties[i_ratio]
            path = solve_glm(design, loss, y, np.array([self.alpha_]), penalty, coef_init=start, **options)
        dtype = coef_dtype(X)
        self.coef_ = np.asarray(path.dense_coefs()[0]).astype(dtype)
        self.intercept_ = dtype(path.intercepts[0]) if self.fit_intercept else 0.0
        self.stationarity_ = None if path.violations is None else float(path.violations[0])
        self.n_iter_ = self._certify(path, self._perfect(path, design, penalty, loss, y))
        return self

    def _by_folds(self, design, loss, y, sample_weight, folds, alphas, ratios, penalties, options):
        """The choice by cross-validation, with its attributes, and coefficients near those of all rows."""

        def measure(k, raw):
            test = folds[k][1]
            weight = np.ones(len(test)) if sample_weight is None else sample_weight[test]
            return [loss(row, y[test], weight / weight.sum())[0] for row in raw]

        paths = glm_fold_paths(design, loss, y, sample_weight, folds, alphas, penalties, measure=measure, **options)
        check_finite_solution(paths.coefs, paths.intercepts, paths.scores)
        warn_of_folds(type(self).__name__, paths, self.tol, "the smallest alphas")
        errors = CVErrors(alphas, ratios, paths.scores.transpose(1, 2, 0))
        self.loss_path_ = errors.mse[0] if len(ratios) == 1 else errors.mse
        self.cv_results_ = errors.as_dict("loss")
        i_ratio, i_alpha = choose_alpha(errors.mean, errors.standard_error, self.rule)
        return i_ratio, i_alpha, paths.coefs[:, i_ratio, i_alpha].mean(axis=0)

    def _penalties(self, p):
        """(l1_ratios, what solvers see of the penalty for each)."""
        bounds = check_bounds(p, self.penalty_factor, self.lower, self.upper)
        if self.penalty is None:
            ratios = check_ratios(self.l1_ratio)
            return ratios, [FeatureL1L2(p, ratio, *bounds) for ratio in ratios]
        penalty = feature_penalty(linear_penalty(self.penalty), p, *bounds, check_groups(self.groups, p))[1]
        return np.array([penalty.l1_ratio]), [penalty]

    def _grids(self, design, loss, y, penalties, offset):
        """The alphas, decreasing, of shape (n_l1_ratios, n_alphas)."""
        if not isinstance(self.alphas, Integral):
            return np.tile(check_alphas(self.alphas), (len(penalties), 1))
        grids = [
            glm_alpha_grid(design, loss, y, penalty, offset=offset, eps=self.eps, n_alphas=self.alphas)
            for penalty in penalties
        ]
        check_finite_solution(np.array(grids))
        return np.array(grids)

    def _loss(self):
        return smooth(self.loss, type(self).__name__)
