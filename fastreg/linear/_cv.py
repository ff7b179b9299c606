"""The engine of the estimators that choose alpha (and l1_ratio) by cross-validation."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import _raise_for_params

from fastreg._stages import STAGE_CONSTRAINTS, staged_path
from fastreg._validation import check_alphas, check_finite_solution, check_fit_data, check_params, check_ratios
from fastreg.linear._base import SparseLinearRegressor
from fastreg.linear.paths import NO_AUTOMATIC_GRID
from fastreg.model_selection import GRID_CONSTRAINTS, AlphaSearch, criteria, cross_validate_path
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import alpha_grid

CV_CONSTRAINTS = GRID_CONSTRAINTS | {
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, np.inf, closed="left")],
    "copy_X": ["boolean"],
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
    "rule": GRID_CONSTRAINTS["rule"],
    **STAGE_CONSTRAINTS,
}


class PathCV(AlphaSearch, SparseLinearRegressor):
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
        folds = self._folds(X, y, sample_weight, params)
        design = self._design(X, sample_weight)
        penalties = [FeatureL1L2(n_features, float(ratio), factor, lower, upper) for ratio in ratios]
        alphas = self._grids(design, y, ratios, FeatureL1L2(n_features, 1.0, factor, lower, upper))
        if folds is None:
            solve = partial(self._stages, self._solver(y), design)
            measured = criteria(design, y, solve, alphas, penalties, self.rule)[:2]
        else:
            measured = self._errors(X, y, sample_weight, folds, alphas, ratios, penalties[0], design)
        i_ratio, _ = self._choose(alphas, ratios, measured)
        if folds is not None:
            self.mse_path_ = np.squeeze(self.mse_path_)  # scikit-learn's shape
        if not isinstance(self.alphas, Integral):
            self.alphas_ = alphas[0]
        self._fit_one_alpha(design, y, self.alpha_, penalties[i_ratio], multitask=self._multitask)
        return self

    def _errors(self, X, y, sample_weight, folds, alphas, ratios, penalty, design):
        """Test errors of the folds."""
        bounds = {"lower": penalty.lower, "upper": penalty.upper} if penalty.bounded else {}
        return cross_validate_path(
            X,
            y,
            sample_weight,
            folds,
            alphas,
            ratios,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            factor=penalty.factor,
            **bounds,
            tol=self.tol,
            max_iter=self.max_iter,
            multitask=self._multitask,
            design=design,
            stages=partial(staged_path, adaptive=self.adaptive, relax=self.relax) if self._staged else None,
        )

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
