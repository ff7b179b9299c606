"""LogisticRegressionCV."""

import warnings
from dataclasses import replace
from functools import partial
from numbers import Integral

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.metadata_routing import MethodMapping, _raise_for_params, process_routing
from sklearn.utils.validation import _check_method_params

from fastreg._callbacks import FitTask, with_callbacks
from fastreg._docs import documented
from fastreg._stages import staged_fold_paths
from fastreg._validation import check_bounds, check_finite_solution, check_params, check_ratios
from fastreg.glm._choice import quick_score, warn_of_folds, with_labels
from fastreg.glm.logistic import LogisticRegression
from fastreg.losses import Logistic, Softmax
from fastreg.model_selection import CRITERIA, SplitterRouting, choose_score, criteria, make_folds
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import glm_fold_paths


@documented
class LogisticRegressionCV(SplitterRouting, LogisticRegression):
    """Logistic regression with C (and l1_ratio) chosen by cross-validation.

    The objective of one fit is that of `LogisticRegression`; in a fold, with the training rows' weights.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        The values of C, or how many of a logarithmic grid from 1e-4 to 1e4.
    l1_ratios : array-like of shape (n_l1_ratios,), default=(0.0,)
        Shares of the L1 penalty to choose from. None is deprecated, as in scikit-learn.
    {fit_intercept}
    cv : int, splitter or iterable of (train, test), default=None
        None means 5 folds; a number of folds is stratified by class.
    dual : bool, default=False
        {no_difference}
    penalty : {'l1', 'l2', 'elasticnet'}
        Deprecated, as in scikit-learn: use `l1_ratios`.
    scoring : str, callable or None, default=None
        What the test rows are scored with: one of scikit-learn's names, or a function (estimator, X, y). None is
        accuracy, as in scikit-learn before 1.11. The quickest are None, 'accuracy' and 'neg_log_loss'.
    solver : str, default='lbfgs'
        {no_difference}
    {glm_tol}
    max_iter : int, default=100
        Most Newton steps of a fit.
    class_weight : dict, 'balanced' or None, default=None
        As in `LogisticRegression`; 'balanced' is so over all rows.
    n_jobs, verbose
        {no_difference}
    refit : bool, default=True
        Fit all rows with the values chosen. False averages the coefficients, C and l1_ratio that are best in each fold.
    intercept_scaling, random_state
        {no_difference}
    use_legacy_attributes : bool, default=True
        True gives `C_`, `l1_ratio_`, `coefs_paths_`, `scores_` and `n_iter_` the shapes that they have in scikit-learn
        by default, False those below.
    {penalty_factor}
    {bounds}
    {standardize}
    rule : {'min', '1se', 'aic', 'bic', 'ebic'}, default='min'
        'min' takes the best mean score, '1se' the smallest C whose mean score is within one standard error of it. The
        others take the C of the smallest information criterion on all rows, ``deviance + c df`` with c = 2, log n and
        log n + 2 log p, and look at no folds (`cv` and `scoring` make no difference); n is the sum of the weights.
    {adaptive_folds}
    {relax_folds}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
        Of the fit on all rows, in float64.
    sparse_coef_ : sparse CSR of the same shape
    intercept_ : ndarray of shape (1,) or (n_classes,)
    Cs_ : ndarray of shape (n_cs,)
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    C_, l1_ratio_ : float
        The values chosen. Legacy: an ndarray that repeats it for each class (two classes: once).
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, n_classes, n_features + 1)
        Coefficients and intercept (if there is one) of each fold; two classes have one row. Legacy: a dict with classes
        for keys (two classes: of the second) of (n_folds, n_cs, n_l1_ratios, n_features + 1), without the third axis
        for ``l1_ratios=None``.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Legacy: a dict, the same for each class, of (n_folds, n_cs, n_l1_ratios).
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Newton steps. Legacy: (1, n_folds, n_cs, n_l1_ratios).
    criterion_, df_ : ndarray of shape (n_l1_ratios, n_cs)
        Only with 'aic', 'bic' and 'ebic', which set neither `scores_` nor `coefs_paths_`, and one `n_iter_`: the
        criterion and the degrees of freedom, the number of coefficients or, with an L2 part, the trace of the hat
        matrix (for more than two classes an approximation: the sum of each one's).
    dual_gap_ : float
        Of the fit on all rows, as in `LogisticRegression`. Only with `refit`.
    converged_ : bool
        Whether the gap asked for was reached; without `refit`, in all folds.
    {fitted}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastreg import LogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegressionCV(l1_ratios=[1.0], scoring="neg_log_loss", use_legacy_attributes=False)
    >>> model.fit(X, y).scores_.shape
    (5, 1, 10)
    """

    __metadata_request__score = {"sample_weight": metadata_routing.UNUSED}
    _keeps_float32 = False

    _parameter_constraints: dict = {
        name: constraint
        for name, constraint in LogisticRegression._parameter_constraints.items()
        if name not in ("C", "l1_ratio", "warm_start", "penalty")
    } | {
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, Hidden(StrOptions({"warn"}))],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None, Hidden(StrOptions({"warn"}))],
        "refit": ["boolean"],
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), Hidden(StrOptions({"deprecated"}))],
        "use_legacy_attributes": ["boolean", Hidden(StrOptions({"warn"}))],
        "rule": [StrOptions({"min", "1se", *CRITERIA})],
    }

    def __init__(
        self,
        *,
        Cs=10,
        l1_ratios="warn",
        fit_intercept=True,
        cv=None,
        dual=False,
        penalty="deprecated",
        scoring="warn",
        solver="lbfgs",
        tol=1e-4,
        max_iter=100,
        class_weight=None,
        n_jobs=None,
        verbose=0,
        refit=True,
        intercept_scaling=1.0,
        random_state=None,
        use_legacy_attributes="warn",
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        rule="min",
        adaptive=None,
        relax=1.0,
    ):
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.rule = rule
        self.adaptive = adaptive
        self.relax = relax

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, offset=None, **params):
        """Choose C by cross-validation, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, used in the fits and in the scores; a number counts as the weight of every row.
        offset : array-like of shape (n_samples,), of more than two classes (n_samples, n_classes), default=None
            Added to the linear predictor, in the scores as well; for the scorers None, 'accuracy' and 'neg_log_loss'.
        **params : dict
            Metadata for the splitter (such as groups) and the scorer, with scikit-learn's metadata routing enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a single class, or a fit that overflowed.
        """
        _raise_for_params(params, self, "fit")
        check_params(self)
        ratios = self._l1_ratios()
        Cs = self._grid()
        if self.rule != "min" and not self.refit:
            raise ValueError(f"rule={self.rule!r} chooses once, not in each fold; it needs refit=True.")
        X, y, coded, classes, sample_weight, weight, offset = self._check_data(X, y, sample_weight, offset)
        task = FitTask(self, X, y, sample_weight)
        design = self._design(X, weight)
        bounds = check_bounds(X.shape[1], self.penalty_factor, self.lower, self.upper)
        penalties = [FeatureL1L2(X.shape[1], ratio, *bounds) for ratio in ratios]
        many = len(classes) if len(classes) > 2 else None
        self.Cs_, self.l1_ratios_ = Cs, ratios
        if self.rule in CRITERIA:
            i_ratio, i_C, start = self._by_criterion(design, coded, many, Cs, penalties, offset)
            self._fit_one(design, coded, classes, Cs[i_C], penalties[i_ratio], offset, start)
            self.C_, self.l1_ratio_ = float(Cs[i_C]), float(ratios[i_ratio])
            task.close()
            return self
        split_params, score_params = self._routed(sample_weight, params)
        folds = make_folds(self.cv, X, y, split_params, classifier=True, sample_weight=weight)
        scoring = "accuracy" if self.scoring in (None, "warn") else self.scoring
        measure = quick_score(scoring, coded, len(classes), sample_weight, folds)
        if measure is None and offset is not None:
            raise ValueError("offset needs scoring=None, 'accuracy' or 'neg_log_loss'; other scorers don't know of it.")
        paths = self._fold_paths(design, coded, weight, folds, penalties, many, offset=offset, measure=measure)
        warn_of_folds(type(self).__name__, paths, self.tol, "the largest Cs", stacklevel=4)
        coefs, intercepts, scores = paths.coefs, paths.intercepts, paths.scores
        if len(classes) == 2:
            coefs, intercepts = coefs[..., None, :], intercepts[..., None]
        if measure is None:
            self._set_coef(coefs[0, 0, 0], intercepts[0, 0, 0], classes, np.float64)
            scores = self._scores(X, y, folds, coefs, intercepts, score_params)
        if self.refit:
            i_C, i_ratio = choose_score(scores.transpose(0, 2, 1), Cs, self.rule)
            C, ratio = Cs[i_C], ratios[i_ratio]
            start = paths.coefs[:, i_ratio, i_C].mean(axis=0)
            self._fit_one(design, coded, classes, C, penalties[i_ratio], offset, start)
        else:
            best = [choose_score(score.T[None], Cs) for score in scores]
            at = [(k, i_ratio, i_C) for k, (i_C, i_ratio) in enumerate(best)]
            C = np.mean([Cs[i_C] for i_C, _ in best])
            ratio = np.mean([ratios[i_ratio] for _, i_ratio in best])
            coef, intercept = (np.mean([part[i] for i in at], axis=0) for part in (coefs, intercepts))
            self._set_coef(coef, intercept, classes, np.float64)
            self.converged_ = bool(paths.converged.all())
        if self.fit_intercept:
            coefs = np.concatenate([coefs, intercepts[..., None]], axis=-1)
        self._report(float(C), float(ratio), coefs, scores, paths.n_iters.astype(np.int32))
        task.close()
        return self

    def _fold_paths(self, design, coded, weight, folds, penalties, n_classes, **options):
        """The FoldPaths, in the order of the Cs."""
        order = np.argsort(self.Cs_, kind="stable")
        totals = np.array([len(train) if weight is None else weight[train].sum() for train, _ in folds])
        problem = folds, 1 / (self.Cs_[order] * totals[:, None, None]), penalties
        with np.errstate(all="ignore"):  # overflow shows in the result
            if self._staged:
                solve = self._solver(Logistic(), coded, options["offset"], n_classes or 2)
                options |= {"adaptive": self.adaptive, "relax": self.relax}
                paths = staged_fold_paths(solve, design, weight, *problem, **options)
            else:
                options |= {"n_classes": n_classes, "tol": self.tol, "max_iter": max(1, self.max_iter)}
                paths = glm_fold_paths(design, Logistic(), coded, weight, *problem, **options)
        check_finite_solution(paths.coefs, paths.intercepts)
        back, tables = np.argsort(order), {k: v for k, v in vars(paths).items() if k != "nulls" and v is not None}
        return replace(paths, **{name: table[:, :, back] for name, table in tables.items()})

    def _by_criterion(self, design, coded, n_classes, Cs, penalties, offset):
        """(number of the l1_ratio, of C, coefficients there): the choice on the paths of all rows."""
        order = np.argsort(Cs, kind="stable")
        back = np.argsort(order)
        alphas = np.tile(1 / (Cs[order] * design.total_weight), (len(penalties), 1))
        solve = partial(self._stages, self._solver(Logistic(), coded, offset, n_classes or 2), design)
        loss = Softmax() if n_classes else Logistic()
        values, df, coefs = criteria(design, coded, solve, alphas, penalties, self.rule, loss=loss, offset=offset)
        self.criterion_, self.df_ = values[:, back], df[:, back]
        i_C, i_ratio = choose_score(-self.criterion_.T[None], Cs)
        return i_ratio, i_C, coefs[i_ratio][back[i_C]]

    def _l1_ratios(self):
        """The ratios to try, the deprecated `penalty` understood."""
        ratios = self.l1_ratios
        if isinstance(ratios, str):
            ratios = (0.0,)
        elif ratios is None:
            warnings.warn(
                "'l1_ratios=None' is deprecated, as in scikit-learn: use l1_ratios=(0.0,).", FutureWarning, stacklevel=4
            )
            ratios = (0.0,)
        if self.penalty != "deprecated":
            warnings.warn(
                "'penalty' is deprecated, as in scikit-learn: use l1_ratios, (0.0,) for 'l2' and (1.0,) for 'l1'.",
                FutureWarning,
                stacklevel=4,
            )
            if self.penalty != "elasticnet":
                ratios = (1.0,) if self.penalty == "l1" else (0.0,)
            elif self.l1_ratios is None or isinstance(self.l1_ratios, str):
                raise ValueError("penalty='elasticnet' needs l1_ratios, numbers between 0 and 1.")
        return check_ratios(ratios, "l1_ratios")

    def _grid(self):
        if isinstance(self.Cs, Integral):
            return np.logspace(-4, 4, self.Cs)
        Cs = np.asarray(self.Cs, dtype=np.float64)
        if Cs.ndim != 1 or not Cs.size or not (Cs > 0).all():
            raise ValueError(f"Cs must be a number of values, or one or more positive numbers; got Cs={self.Cs}.")
        return Cs

    def _scores(self, X, y, folds, coefs, intercepts, score_params):
        """What any scorer says of each fold's models, one by one."""
        scorer = with_labels(self._get_scorer(), self.classes_)
        model = LogisticRegression(fit_intercept=self.fit_intercept)
        model.n_features_in_ = X.shape[1]
        rows = X.tocsr() if hasattr(X, "tocsr") else X
        scores = np.empty(coefs.shape[:3])
        for k, (_, test) in enumerate(folds):
            given = _check_method_params(X, score_params, indices=test)
            for i, j in np.ndindex(coefs.shape[1:3]):
                model.C = self._grid()[j]
                model._set_coef(coefs[k, i, j], intercepts[k, i, j], self.classes_, np.float64)
                scores[k, i, j] = scorer(model, rows[test], y[test], **given)
        return scores

    def _report(self, C, ratio, coefs, scores, n_iter):
        """Set the attributes of the search, in the old shapes or the new."""
        self.C_, self.l1_ratio_, self.coefs_paths_, self.scores_, self.n_iter_ = C, ratio, coefs, scores, n_iter
        if self.use_legacy_attributes is False:
            return
        keys = self.classes_ if len(self.classes_) > 2 else self.classes_[1:]
        self.C_, self.l1_ratio_ = np.full(len(keys), C), np.full(len(keys), ratio)
        coefs = np.moveaxis(coefs, (3, 0, 2, 1), (0, 1, 2, 3))
        scores, n_iter = scores.swapaxes(1, 2), n_iter.swapaxes(1, 2)[None]
        if self.l1_ratios is None or isinstance(self.l1_ratios, str):
            coefs, scores, n_iter = coefs[:, :, :, 0], scores[:, :, 0], n_iter[..., 0]
        self.coefs_paths_ = dict(zip(keys, coefs, strict=True))
        self.scores_ = {key: scores.copy() for key in keys}
        self.n_iter_ = n_iter

    def score(self, X, y, *, sample_weight=None, **score_params):
        """Score the predictions with `scoring`.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        **score_params : dict
            Metadata for the scorer, with scikit-learn's metadata routing enabled.

        Returns
        -------
        float
        """
        _raise_for_params(score_params, self, "score")
        if sample_weight is not None:
            score_params["sample_weight"] = sample_weight
        if metadata_routing._routing_enabled():
            score_params = process_routing(self, "score", **score_params).scorer.score
        return self._get_scorer()(self, X, y, **score_params)

    def _get_scorer(self):
        return get_scorer("accuracy" if self.scoring in (None, "warn") else self.scoring)

    def _routed(self, sample_weight, params):
        """Metadata for the splitter and for the scorer."""
        if metadata_routing._routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            return routed.splitter.split, routed.scorer.score
        return {}, {} if sample_weight is None else {"sample_weight": sample_weight}

    def get_metadata_routing(self):
        """Describe where metadata goes: to the splitter and the scorer.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        both = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        return super().get_metadata_routing().add(scorer=self._get_scorer(), method_mapping=both)
