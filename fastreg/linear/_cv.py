"""The engine of the estimators that choose alpha (and l1_ratio) by cross-validation."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params

from fastreg._linear_model import coef_dtype
from fastreg._validation import check_alphas, check_finite_solution, check_fit_data, check_params, check_ratios
from fastreg.linear._base import SparseLinearRegressor
from fastreg.linear.paths import NO_AUTOMATIC_GRID
from fastreg.model_selection import (
    CRITERIA,
    SplitterRouting,
    choose_alpha,
    cross_validate_path,
    degrees_of_freedom,
    information_criterion,
    make_folds,
)
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import alpha_grid, solve_path

CV_CONSTRAINTS = {
    "eps": [Interval(Real, 0, None, closed="neither")],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, np.inf, closed="left")],
    "copy_X": ["boolean"],
    "cv": ["cv_object"],
    "verbose": ["verbose"],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "selection": [StrOptions({"cyclic", "random"})],
    "penalty_factor": ["array-like", None],
    "standardize": ["boolean"],
    "rule": [StrOptions({"min", "1se"})],
}
SINGLE_TARGET_CONSTRAINTS = {
    "precompute": [StrOptions({"auto"}), "array-like", "boolean"],
    "positive": ["boolean"],
    "lower": [Real, "array-like", None],
    "upper": [Real, "array-like", None],
    "rule": [StrOptions({"min", "1se", *CRITERIA})],
}
L1_RATIO_CONSTRAINTS = {"l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"]}


class PathCV(SplitterRouting, SparseLinearRegressor):
    """Chooses alpha by cross-validation along a path."""

    _multitask = False

    def fit(self, X, y, sample_weight=None, **params):
        """Choose alpha by cross-validation, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Any real dtype and strides, read-only or memory-mapped; CSC is used as it is, other sparse formats
            are converted to CSC.
        y : array-like of shape (n_samples,) or, for the multi-task estimators, (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, used in the fits and in the test errors; only their proportions matter.
        **params : dict
            Metadata for the splitter (such as groups), with scikit-learn's metadata routing enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        _raise_for_params(params, self, "fit")
        check_params(self)
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight)
        y = self._check_targets(y)
        n_features = X.shape[1]
        factor, lower, upper = self._bounds(n_features)
        ratios = check_ratios(getattr(self, "l1_ratio", 1.0))
        folds = None
        if self.rule not in CRITERIA:
            split_params = self._split_params(sample_weight, params)
            folds = make_folds(self.cv, X, y, split_params, sample_weight=sample_weight)

        design = self._design(X, sample_weight)
        alphas = self._grids(design, y, ratios, FeatureL1L2(n_features, 1.0, factor, lower, upper))
        penalties = [FeatureL1L2(n_features, float(ratio), factor, lower, upper) for ratio in ratios]
        if folds is None:
            i_ratio, i_alpha = self._by_criterion(design, y, alphas, penalties, ratios)
        else:
            i_ratio, i_alpha = self._by_folds(X, y, sample_weight, folds, alphas, penalties, ratios, design)
        self.alphas_ = alphas if isinstance(self.alphas, Integral) and len(ratios) > 1 else alphas[0]
        self.alpha_ = float(alphas[i_ratio, i_alpha])
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = float(ratios[i_ratio])
        self._fit_one_alpha(design, y, self.alpha_, penalties[i_ratio], multitask=self._multitask, dtype=coef_dtype(X))
        return self

    def _by_folds(self, X, y, sample_weight, folds, alphas, penalties, ratios, design):
        """The choice by cross-validation, with its attributes."""
        errors = cross_validate_path(
            X,
            y,
            sample_weight,
            folds,
            alphas,
            ratios,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            factor=penalties[0].factor,
            lower=penalties[0].lower if penalties[0].bounded else None,
            upper=penalties[0].upper if penalties[0].bounded else None,
            tol=self.tol,
            max_iter=self.max_iter,
            multitask=self._multitask,
            design=design,
        )
        self.mse_path_ = np.squeeze(errors.mse)
        self.cv_results_ = errors.as_dict()
        return choose_alpha(errors.mean, errors.standard_error, self.rule)

    def _by_criterion(self, design, y, alphas, penalties, ratios):
        """The choice by an information criterion on the path of all rows, with its attributes."""
        n, p = design.total_weight, int((design.sq_norms > 0).sum())
        values, df = np.full(alphas.shape, np.inf), np.empty(alphas.shape)
        for i, penalty in enumerate(penalties):
            with np.errstate(all="ignore"):
                path = solve_path(design, y, alphas[i], penalty, tol=self.tol, max_iter=self.max_iter)
                coefs = path.dense_coefs()
                inner = penalty.scaled(design.scale)
                charges = [inner.value(w * design.scale, a) for w, a in zip(coefs, alphas[i], strict=True)]
                mse = 2 * (path.primals - charges)
                df[i] = degrees_of_freedom(design, coefs, alphas[i], penalty)
                # with more coefficients than that, errors say nothing of the variance
                some = (df[i] <= 0.5 * n) & (mse > 1e-14 * 2 * path.null)
                values[i, some] = information_criterion(n * np.log(mse[some]), df[i, some], n, max(p, 1), self.rule)
        check_finite_solution(df)
        self.criterion_, self.df_ = (part[0] if len(ratios) == 1 else part for part in (values, df))
        self.cv_results_ = {"alphas": alphas, "l1_ratios": ratios, "df": df, self.rule: values}
        return choose_alpha(values, np.zeros_like(values))

    def _check_targets(self, y):
        name = type(self).__name__
        if self._multitask:
            if y.ndim == 1:
                raise ValueError(f"For mono-task outputs, use {name.removeprefix('MultiTask')}")
            return y
        if y.ndim > 1 and y.shape[1] > 1:
            raise ValueError(f"For multi-task outputs, use MultiTask{name}")
        return column_or_1d(y, warn=True)

    def _grids(self, design, y, ratios, lasso_penalty):
        """Return the alphas, decreasing, of shape (n_l1_ratios, n_alphas)."""
        if not isinstance(self.alphas, Integral):
            return np.tile(check_alphas(self.alphas), (len(ratios), 1))
        if (ratios == 0).any():
            raise ValueError(NO_AUTOMATIC_GRID)
        with np.errstate(all="ignore"):
            grid = alpha_grid(
                design, y, lasso_penalty, eps=self.eps, n_alphas=int(self.alphas), multitask=self._multitask
            )
        check_finite_solution(grid)
        # the smallest alpha with all coefficients zero is the lasso's divided by l1_ratio
        return grid / ratios[:, None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = not self._multitask
        tags.target_tags.multi_output = self._multitask
        return tags
