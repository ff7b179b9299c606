"""RidgeClassifier and RidgeClassifierCV: ridge on labels coded as -1 and 1."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from fastreg._docs import documented
from fastreg._linear_model import LinearDecisions
from fastreg._validation import check_fit_data, check_params
from fastreg.linear._ridge_search import INNER_NAMES, RIDGE_CV_CONSTRAINTS, RidgeSearch
from fastreg.linear.ridge import RIDGE_CONSTRAINTS, fit_ridge

CLASS_WEIGHT = {"class_weight": [dict, StrOptions({"balanced"}), None]}


class RidgeLabels(LinearDecisions, BaseEstimator):
    """Encodes labels for fit and decodes the decision for predict; two classes share one column."""

    def _check(self, X, y, sample_weight):
        """(X, labels, coded labels (n, n_columns), sample_weight times class_weight); sets `classes_`."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_classification_targets(y)
        binarizer = LabelBinarizer(pos_label=1, neg_label=-1)
        coded = binarizer.fit_transform(y)
        labels = np.asarray(y) if self._is_multilabel(binarizer) else column_or_1d(y, warn=True)
        X, coded, sample_weight = check_fit_data(self, X, coded, sample_weight, scalar_weight=True)
        self._label_binarizer, self.classes_ = binarizer, binarizer.classes_
        if self.class_weight:
            class_weight = compute_sample_weight(self.class_weight, labels)
            sample_weight = class_weight if sample_weight is None else sample_weight * class_weight
        return X, labels, coded, sample_weight

    @staticmethod
    def _is_multilabel(binarizer):
        return binarizer.y_type_.startswith("multilabel")

    def predict(self, X):
        """Predict the labels: the class of the largest decision, or for multilabel every class above 0.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_classes) for multilabel
        """
        check_is_fitted(self)
        if self._is_multilabel(self._label_binarizer):
            return self._label_binarizer.inverse_transform(np.where(self.decision_function(X) > 0, 1.0, -1.0))
        return super().predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RidgeClassifier(RidgeLabels):
    """Classifier by ridge regression on labels coded as -1 and 1, one column a class (one for two classes).

    The objective is that of `fastreg.Ridge`, with sw_i the sample weight times the class weight.

    Parameters
    ----------
    alpha, fit_intercept, copy_X, max_iter, tol, solver, positive, random_state
        As in `fastreg.Ridge`.
    class_weight : dict, 'balanced' or None, default=None
        Weight of each class; 'balanced' is ``n_samples / (n_classes * count)``.
    penalty_factor, lower, upper, standardize
        As in `fastreg.Ridge`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) for two classes, else (n_classes, n_features)
    intercept_ : float or ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    dual_gap_, n_iter_, converged_, solver_, n_features_in_, feature_names_in_
        As in `fastreg.Ridge`.

    Examples
    --------
    >>> from fastreg import RidgeClassifier
    >>> RidgeClassifier().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]).predict([[2.5]])
    array(['yes'], dtype='<U3')
    """

    _parameter_constraints: dict = RIDGE_CONSTRAINTS | CLASS_WEIGHT

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        class_weight=None,
        solver="auto",
        positive=False,
        random_state=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize

    def fit(self, X, y, sample_weight=None):
        """Fit the classifier.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or a 0/1 indicator (multilabel).
        sample_weight : float or array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        check_params(self)
        X, _, coded, sample_weight = self._check(X, y, sample_weight)
        return fit_ridge(self, X, coded, sample_weight)


@documented
class RidgeClassifierCV(RidgeSearch, RidgeLabels):
    """`RidgeClassifier` with alpha chosen by exact leave-one-out (the default) or by cross-validation.

    Parameters
    ----------
    {candidates}
    {fit_intercept}
    scoring : str, callable or None, default=None
        None: the negative mean squared error of the codes for leave-one-out, accuracy for `cv`, as in
        scikit-learn. Leave-one-out scorers see the labels and the predicted labels or decisions.
    cv : None, int, splitter or iterable of (train, test), default=None
        None is leave-one-out. Otherwise the search is scikit-learn's GridSearchCV over `RidgeClassifier`.
    class_weight : dict, 'balanced' or None, default=None
    {store_cv_results}
    penalty_factor, lower, upper, standardize, rule
        As in `fastreg.RidgeCV`.

    Attributes
    ----------
    alpha_ : float
    best_score_ : float
        The score at `alpha_`.
    cv_results_ : ndarray of shape (n_samples, n_columns, n_alphas), or dict
        As in `fastreg.RidgeCV`.
    coef_, intercept_, classes_, dual_gap_, n_iter_, converged_, solver_, n_features_in_, feature_names_in_
        As in `RidgeClassifier`, for the final fit.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastreg import RidgeClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> RidgeClassifierCV(alphas=[1e-3, 1e-2, 1e-1, 1]).fit(X, y).classes_
    array([0, 1])
    """

    _parameter_constraints: dict = {
        name: constraint
        for name, constraint in (RIDGE_CV_CONSTRAINTS | CLASS_WEIGHT).items()
        if name not in ("gcv_mode", "alpha_per_target")
    }
    _default_scorer = "accuracy"

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        class_weight=None,
        store_cv_results=False,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        rule="min",
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.rule = rule

    def fit(self, X, y, sample_weight=None, **params):
        """Choose alpha, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or a 0/1 indicator (multilabel).
        sample_weight : float or array-like of shape (n_samples,), default=None
        **params : dict
            Metadata for the scorer and the splitter, with scikit-learn's metadata routing enabled.

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
        X, labels, coded, sample_weight = self._check(X, y, sample_weight)
        if self.cv is not None:
            return self._search(X, labels, sample_weight, params)
        self._labels = labels
        try:
            return self._search(X, coded, sample_weight, params)
        finally:
            del self._labels

    def _inner(self):
        return RidgeClassifier(**{name: getattr(self, name) for name in INNER_NAMES})

    def _classes(self):
        return self.classes_

    def _truth(self, y):
        return self._labels

    def _identity(self, classes):
        return IdentityClassifier(self._label_binarizer, classes)


class IdentityClassifier(ClassifierMixin, BaseEstimator):
    """Its decisions are its X, so that any scorer can judge decisions that are already made."""

    def __init__(self, binarizer, classes):
        self.binarizer = binarizer
        self.classes_ = classes

    def decision_function(self, X):
        """Return X, 1-D for two classes."""
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X):
        """Return the labels that X decides for."""
        if RidgeLabels._is_multilabel(self.binarizer):
            return self.binarizer.inverse_transform(np.where(X > 0, 1.0, -1.0))
        return self.classes_[(X[:, 0] > 0).astype(np.intp) if X.shape[1] == 1 else X.argmax(axis=1)]
