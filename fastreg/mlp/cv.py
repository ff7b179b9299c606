"""MLPClassifierCV and MLPRegressorCV: alpha by cross-validation."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.metrics import check_scoring
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from fastreg._callbacks import CallbackSupportMixin, task_data, with_callbacks
from fastreg._docs import documented
from fastreg._validation import check_alphas, check_params, check_sample_weight
from fastreg.mlp._data import check_network_data, check_rows
from fastreg.mlp.classifier import MLPClassifier
from fastreg.mlp.path import with_alpha
from fastreg.mlp.regressor import MLPRegressor
from fastreg.model_selection import choose_alpha, make_folds

# the ends of the coarse grid
MOST, LEAST = 1e-1, 1e-6


class BaseMLPCV(MetaEstimatorMixin, CallbackSupportMixin, BaseEstimator):
    """Chooses alpha on a coarse grid, then on a fine one around the best."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict", "compact"]), None],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "refine": [Interval(Integral, 0, None, closed="left")],
        "cv": ["cv_object"],
        "rule": [StrOptions({"min", "1se"})],
        "scoring": [str, callable, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        alphas=6,
        refine=5,
        cv=None,
        rule="min",
        scoring=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.alphas = alphas
        self.refine = refine
        self.cv = cv
        self.rule = rule
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.random_state = random_state

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Choose alpha by cross-validation, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Used in the fits and in the scores.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data.
        """
        check_params(self)
        classifier = isinstance(self, ClassifierMixin)
        X, y = check_network_data(self, X, y, reset=True)
        sample_weight = check_sample_weight(sample_weight, X)
        base = clone(self._default() if self.estimator is None else self.estimator)
        if self.random_state is not None:
            # one number for all fits, so that they begin with the same weights
            base.set_params(random_state=int(check_random_state(self.random_state).randint(2**31)))
        scorer = check_scoring(base, scoring=self.scoring)
        folds = make_folds(self.cv, X, y, classifier=classifier, sample_weight=sample_weight)
        if isinstance(self.alphas, Integral):
            grid = np.geomspace(MOST, LEAST, int(self.alphas))
        else:
            grid = check_alphas(self.alphas)
        data = X, y, sample_weight, folds
        most = (len(grid) + int(self.refine)) * len(folds) + 1
        task = self._init_callback_context(max_subtasks=most, sequential_subtasks=False)
        given = task_data(self, X, y, sample_weight)
        task.call_on_fit_task_begin(**given)
        scores = self._scores(base, scorer, grid, data, task)
        fine = self._fine_grid(grid, scores.mean(axis=1))
        if len(fine):
            scores = np.vstack([scores, self._scores(base, scorer, fine, data, task, first=len(scores))])
            grid = np.append(grid, fine)
            order = np.argsort(-grid, kind="stable")
            grid, scores = grid[order], scores[order]
        mean = scores.mean(axis=1)
        n_folds = scores.shape[1]
        se = scores.std(axis=1, ddof=1) / np.sqrt(n_folds) if n_folds > 1 else np.zeros(len(grid))
        best = choose_alpha(-mean[None], se[None], self.rule)[1]
        self.alphas_, self.alpha_ = grid, float(grid[best])
        self.cv_results_ = {"alphas": grid, "scores": scores, "mean_score": mean, "se_score": se}
        self.estimator_ = with_alpha(base, self.alpha_)
        last = task.subcontext(task_name="all rows", task_id=scores.size)
        with last.propagate_callback_context(self.estimator_):
            last.call_on_fit_task_begin(**given)
            self.estimator_.fit(X, y, sample_weight)
        last.call_on_fit_task_end(**given)
        for name in ("coefs_", "intercepts_", "n_iter_", "n_zeros_", "stationarity_", "classes_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        task.call_on_fit_task_end(**given)
        return self

    def _fine_grid(self, grid, mean):
        """Alphas between the neighbours of the best one, evenly on the logarithmic scale."""
        if not self.refine or len(grid) < 2:
            return np.empty(0)
        best = int(np.argmax(mean))
        high, low = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        if low <= 0:
            return np.empty(0)
        fine = np.geomspace(high, low, int(self.refine) + 2)[1:-1]
        return fine[~np.isclose(fine[:, None], grid, rtol=1e-6, atol=0).any(axis=1)]

    def _scores(self, base, scorer, grid, data, task, first=0):
        """Scores of shape (n_alphas, n_folds). Each fit begins anew, as the final one does."""
        n_folds = len(data[3])
        # compiled epochs hold no lock, so threads do
        tasks = (
            delayed(self._fit_and_score)(
                with_alpha(base, float(alpha)),
                scorer,
                data,
                fold,
                task.subcontext(task_name="alpha, fold", task_id=(first + i) * n_folds + fold),
            )
            for i, alpha in enumerate(grid)
            for fold in range(n_folds)
        )
        found = Parallel(n_jobs=self.n_jobs, prefer="threads")(tasks)
        return np.array(found, dtype=np.float64).reshape(len(grid), n_folds)

    def _fit_and_score(self, model, scorer, data, fold, task):
        X, y, sample_weight, folds = data
        train, test = folds[fold]
        parts = [None if sample_weight is None else sample_weight[rows] for rows in (train, test)]
        given = task_data(self, _safe_indexing(X, train), _safe_indexing(y, train), parts[0])
        with task.propagate_callback_context(model):
            task.call_on_fit_task_begin(**given)
            model.fit(given["X"], given["y"], parts[0])
        task.call_on_fit_task_end(**given)
        options = {} if parts[1] is None else {"sample_weight": parts[1]}
        return scorer(model, _safe_indexing(X, test), _safe_indexing(y, test), **options)

    def predict(self, X):
        """Predict with the network that was chosen.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        check_is_fitted(self)
        return self.estimator_.predict(self._checked(X))

    def compact(self):
        """`compact` of the network that was chosen."""
        check_is_fitted(self)
        return self.estimator_.compact()

    def size(self):
        """`size` of the network that was chosen."""
        check_is_fitted(self)
        return self.estimator_.size()

    def weight_report(self, X=None, *, noise=0.01, random_state=0):
        """`weight_report` of the network that was chosen."""
        check_is_fitted(self)
        X = None if X is None else self._checked(X)
        return self.estimator_.weight_report(X, noise=noise, random_state=random_state)

    def _checked(self, X):
        """X, checked against the names that `fit` saw; the network itself was fitted on arrays."""
        return check_rows(self, X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


PARAMETERS = """estimator : {name} or None, default=None
        Not changed. Its `penalty` as a name has each alpha as its strength, as an object it is multiplied by it. By
        default ``{name}(penalty="l1")``.
    alphas : int or array-like, default=6
        The coarse grid: so many from 1e-1 to 1e-6, or these.
    refine : int, default=5
        Alphas between the neighbours of the best one, evenly on the logarithmic scale.
    cv : int, splitter, iterable or None, default=None
        5 folds by default.
    rule : {'min', '1se'}, default='min'
        The best mean score, or the largest alpha within one standard error of it.
    scoring : str, callable or None, default=None
        By default the score of the estimator.
    n_jobs : int or None, default=None
        Fits at a time, each on a thread.
    random_state : int, RandomState or None, default=None
        For all fits; None leaves them that of the estimator."""

ATTRIBUTES = """alpha_ : float
        The choice.
    alphas_ : ndarray of shape (n_alphas,)
        All that were tried, decreasing.
    cv_results_ : dict
        'alphas'; 'scores' (n_alphas, n_folds); 'mean_score' and 'se_score' (n_alphas,).
    estimator_ : {name}
        Fitted on all rows with `alpha_`.
    coefs_, intercepts_, n_iter_, n_zeros_, stationarity_
        Those of `estimator_`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Only when X had string column names."""


@documented(parameters=PARAMETERS, attributes=ATTRIBUTES, name="MLPClassifier")
class MLPClassifierCV(ClassifierMixin, BaseMLPCV):
    """An `MLPClassifier` whose alpha is chosen by cross-validation, on a coarse grid and then on a fine one.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastreg import MLPClassifier, MLPClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> base = MLPClassifier((10,), penalty="l1", solver="lbfgs", max_iter=5000, random_state=0)
    >>> model = MLPClassifierCV(base, alphas=[0.1, 0.01, 0.001], refine=0, cv=3).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    def _default(self):
        return MLPClassifier(penalty="l1")

    def predict_proba(self, X):
        check_is_fitted(self)
        return self.estimator_.predict_proba(self._checked(X))

    def predict_log_proba(self, X):
        check_is_fitted(self)
        return self.estimator_.predict_log_proba(self._checked(X))

    predict_proba.__doc__ = MLPClassifier.predict_proba.__doc__
    predict_log_proba.__doc__ = MLPClassifier.predict_log_proba.__doc__

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@documented(parameters=PARAMETERS, attributes=ATTRIBUTES, name="MLPRegressor")
class MLPRegressorCV(RegressorMixin, BaseMLPCV):
    """An `MLPRegressor` whose alpha is chosen by cross-validation, on a coarse grid and then on a fine one.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import MLPRegressor, MLPRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> base = MLPRegressor(hidden_layer_sizes=(), penalty="l1", solver="lbfgs", max_iter=5000)
    >>> model = MLPRegressorCV(base, alphas=[10.0, 1.0, 0.1], refine=0, cv=3).fit(X, y)
    >>> model.alpha_ in (10.0, 1.0, 0.1)
    True
    """

    def _default(self):
        return MLPRegressor(penalty="l1")
