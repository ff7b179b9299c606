"""The search for alpha that RidgeCV and RidgeClassifierCV share."""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import MethodMapping, _routing_enabled, process_routing

from fastreg._linear_model import EXTRA_CONSTRAINTS
from fastreg._validation import check_alphas, check_bounds
from fastreg.linear.ridge import set_fitted
from fastreg.model_selection import CVErrors, SplitterRouting, make_folds
from fastreg.solvers.ridge import loo_ridge, solve_ridge
from fastreg.solvers.ridge_folds import cv_ridge

RIDGE_CV_CONSTRAINTS = {
    "alphas": ["array-like", Interval(Real, 0, None, closed="neither")],
    "fit_intercept": ["boolean"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "cv": ["cv_object"],
    "gcv_mode": [StrOptions({"auto", "svd", "eigen"}), None],
    "store_cv_results": ["boolean"],
    "alpha_per_target": ["boolean"],
    "rule": [StrOptions({"min", "1se"})],
} | EXTRA_CONSTRAINTS


# what the estimators inside a grid search inherit
INNER_NAMES = ("fit_intercept", "penalty_factor", "lower", "upper", "standardize")


class RidgeSearch(SplitterRouting):
    """A mixin that chooses alpha by leave-one-out or by cross-validation and fits with it.

    The class it is mixed into says what is searched: `_inner` (the estimator of a grid search),
    `_default_scorer` (a name), `_classes` (None for a regressor) and `_truth` (what a scorer compares with).
    """

    # the final fit is exact, so this only scales the promise of `converged_`
    tol = 1e-4

    def _search(self, X, y, sample_weight, params):
        alphas = check_alphas(self.alphas, positive=self.cv is None, decreasing=False)
        if self.cv is None:
            self._leave_one_out(X, y, sample_weight, alphas, params)
            return self
        if self.store_cv_results:
            raise ValueError("cv!=None and store_cv_results=True are incompatible")
        if getattr(self, "alpha_per_target", False):
            raise ValueError("cv!=None and alpha_per_target=True are incompatible")
        bounded = self.lower is not None or self.upper is not None
        if bounded or _routing_enabled() or callable(self.scoring) or self._classes() is not None:
            self._grid_search(X, y, sample_weight, alphas, params)
        else:
            self._folds(X, y, sample_weight, alphas)
        return self

    # -- leave-one-out

    def _leave_one_out(self, X, y, sample_weight, alphas, params):
        if self.lower is not None or self.upper is not None:
            raise ValueError("lower and upper need cv: leave-one-out has no closed form under bounds.")
        if X.shape[0] == 1:
            raise ValueError("Leave-one-out needs at least 2 samples; n_samples=1 in X.")
        factor = check_bounds(X.shape[1], self.penalty_factor)[0]
        per_target = getattr(self, "alpha_per_target", False) and y.ndim == 2 and y.shape[1] > 1
        design = self._design(X, sample_weight)
        _check_each_can_be_left_out(design, factor)
        if self.scoring is None:
            keep = "errors" if self.store_cv_results else None
        else:
            keep = "predictions"
        loo = loo_ridge(design, y, alphas, factor, keep=keep)
        spread = None
        if self.scoring is None:
            if per_target:
                scores, spread = -loo.mse, loo.standard_error
            else:
                scores, spread = -loo.mse.mean(axis=1), loo.pooled_error
        else:
            scores = self._score_rows(loo.values, y, per_target, self._scorer_params(sample_weight, params))
        chosen = choose(scores, spread, alphas, self.rule)
        self.alpha_ = alphas[chosen] if per_target else float(alphas[chosen])
        self.best_score_ = scores[chosen, np.arange(y.shape[1])] if per_target else float(scores[chosen])
        if y.ndim == 2 and y.shape[1] == 1 and getattr(self, "alpha_per_target", False):
            self.best_score_ = np.array([self.best_score_])  # scikit-learn's shape
        if self.store_cv_results:
            values = loo.values if y.ndim == 2 else loo.values[:, 0]
            self.cv_results_ = values.astype(self._dtype(X), copy=False)
        set_fitted(self, X, y, loo.fit(self.alpha_, self.tol))

    def _score_rows(self, predictions, y, per_target, score_params):
        """Scores (n_alphas,) or (n_alphas, n_targets) of predictions (n, n_targets, n_alphas)."""
        scorer, truth, classes = self._scorer(), self._truth(y), self._classes()
        scores = []
        for fitted in np.moveaxis(predictions, 2, 0):
            if per_target:
                columns = [(fitted[:, t], y[:, t]) for t in range(y.shape[1])]
            else:
                columns = [(fitted if y.ndim == 2 else fitted[:, 0], truth)]
            fake = IdentityRegressor() if classes is None else self._identity(classes)
            scores.append([scorer(fake, prediction, target, **score_params) for prediction, target in columns])
        scores = np.asarray(scores, dtype=np.float64)
        return scores if per_target else scores[:, 0]

    def _scorer_params(self, sample_weight, params):
        if _routing_enabled():
            if sample_weight is not None:
                params = {**params, "sample_weight": sample_weight}
            return process_routing(self, "fit", **params).scorer.score
        return {} if sample_weight is None else {"sample_weight": sample_weight}

    # -- folds

    def _folds(self, X, y, sample_weight, alphas):
        """As a grid search over `Ridge`, but all alphas and folds share their Grams."""
        factor = check_bounds(X.shape[1], self.penalty_factor)[0]
        folds = make_folds(self.cv, X, y, sample_weight=sample_weight)
        settings = {"fit_intercept": self.fit_intercept, "standardize": self.standardize}
        predictions = cv_ridge(X, y, sample_weight, folds, alphas, factor, **settings)
        mse = np.empty((len(alphas), len(folds)))
        scores = np.empty_like(mse)
        scorer, weighted = self._fold_scorer(sample_weight)
        for k, ((_, test), fitted) in enumerate(zip(folds, predictions)):
            truth, weight = y[test], None if sample_weight is None else sample_weight[test]
            squares = np.average((fitted - truth[:, None]) ** 2, axis=0, weights=weight)
            mse[:, k] = squares.reshape(len(alphas), -1).mean(axis=1)
            if scorer is None:
                scores[:, k] = _r2(squares, truth, weight)
            else:
                extra = {"sample_weight": weight} if weighted else {}
                rows = np.moveaxis(fitted, 1, 0)
                scores[:, k] = [scorer(IdentityRegressor(), part, truth, **extra) for part in rows]
        table = _table(alphas, scores)
        chosen = choose(table.mean[0], table.standard_error[0], alphas, self.rule)
        self.alpha_, self.best_score_ = float(alphas[chosen]), float(table.mean[0, chosen])
        self.cv_results_ = table.as_dict("score") | _table(alphas, mse).as_dict("mse")
        set_fitted(self, X, y, solve_ridge(self._design(X, sample_weight), y, self.alpha_, factor, tol=self.tol))

    def _fold_scorer(self, sample_weight):
        """(scorer, whether it takes the weights); scorer None is R², in our own vectorised form."""
        if self.scoring is None:
            return None, sample_weight is not None
        scorer = get_scorer(self.scoring)
        if sample_weight is None or scorer._accept_sample_weight():
            return scorer, sample_weight is not None
        warnings.warn(
            f"scoring={self.scoring!r} takes no sample_weight: the fits are weighted, the scores are not.",
            UserWarning,
            stacklevel=4,
        )
        return scorer, False

    def _grid_search(self, X, y, sample_weight, alphas, params):
        """What the closed forms don't cover: scorers that look at the estimator, bounds, routed metadata."""
        inner = self._inner()
        if sample_weight is not None:
            params = {**params, "sample_weight": sample_weight}
        if _routing_enabled():
            inner.set_fit_request(sample_weight=True)
        search = GridSearchCV(inner, {"alpha": alphas}, cv=self.cv, scoring=self._scorer(), refit=self._refit)
        search.fit(X, y, **params)
        best, table = search.best_estimator_, search.cv_results_
        splits = [table[f"split{k}_test_score"] for k in range(search.n_splits_)]
        self.alpha_ = float(best.alpha)
        self.best_score_ = float(table["mean_test_score"][search.best_index_])
        self.cv_results_ = _table(alphas, np.column_stack(splits)).as_dict("score")
        for name in ("coef_", "intercept_", "dual_gap_", "n_iter_", "converged_", "solver_"):
            setattr(self, name, getattr(best, name))

    def _refit(self, table):
        scores, n_folds = table["mean_test_score"], sum(name.startswith("split") for name in table)
        spread = table["std_test_score"] / np.sqrt(max(n_folds - 1, 1))
        return choose(scores, spread, np.asarray(table["param_alpha"], dtype=np.float64), self.rule)

    # -- scorers and routing

    def _scorer(self):
        if self.scoring is not None:
            return check_scoring(estimator=self, scoring=self.scoring)
        scorer = get_scorer(self._default_scorer)
        return scorer.set_score_request(sample_weight=True) if _routing_enabled() else scorer

    def get_metadata_routing(self):
        """Describe where `fit` sends metadata: to the scorer and to the splitter.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        score = MethodMapping().add(caller="fit", callee="score")
        return super().get_metadata_routing().add(scorer=self._scorer(), method_mapping=score)


def _check_each_can_be_left_out(design, factor):
    """Raise if without some row the coefficients of features without a penalty are not determined."""
    free = np.flatnonzero(factor == 0) if factor is not None else []
    if not len(free):
        return
    vectors, sizes, _ = np.linalg.svd(np.sqrt(design.weights)[:, None] * design.take(free), full_matrices=False)
    vectors = vectors[:, sizes > 1e-12 * max(sizes[0], 1e-300)]
    leverage = (vectors * vectors).sum(axis=1) + (design.weights if design.fit_intercept else 0.0)
    if leverage.max() > 1 - 1e-10:
        raise ValueError(
            f"Without row {int(leverage.argmax())} the features without a penalty have no coefficients of their own: "
            "it can't be left out. Use cv, or penalise them."
        )


class IdentityRegressor(RegressorMixin, BaseEstimator):
    """Its predictions are its X, so that any scorer can judge predictions that are already made."""

    def predict(self, X):
        """Return X."""
        return X


def choose(scores, spread, alphas, rule):
    """Index of the chosen alpha, one a column of `scores`: the first best, or the largest within `spread`."""
    if not np.isfinite(scores).all():
        raise ValueError(
            "The scores are not finite: X or y holds values too large for float64 sums of squares (scale "
            "them), or the scorer is undefined on these rows (R² needs two: use larger folds)."
        )
    best = np.argmax(scores, axis=0)
    if rule == "min":
        return best
    if spread is None:
        raise ValueError('rule="1se" with leave-one-out needs scoring=None: other scores have no standard error.')
    at_best = (best,) if scores.ndim == 1 else (best, np.arange(scores.shape[1]))
    near = scores >= scores[at_best] - spread[at_best]
    return np.argmax(np.where(near.T, alphas, -1.0), axis=-1)


def _r2(squares, truth, weight):
    """R² (n_alphas,) from mean squared errors (n_alphas[, n_targets]), averaged over targets."""
    if len(truth) < 2:
        raise ValueError("R² is undefined on folds of one row: use fewer folds, cv=None, or another scoring.")
    variance = np.average((truth - np.average(truth, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    constant = variance == 0
    ratio = squares / np.where(constant, 1.0, variance)
    scores = np.where(constant, np.where(squares == 0, 1.0, 0.0), 1.0 - ratio)
    return scores.reshape(len(squares), -1).mean(axis=1)


def _table(alphas, scores):
    """Scores, or errors, (n_alphas, n_folds) as a search has them."""
    return CVErrors(alphas[None], np.zeros(1), scores[None])
