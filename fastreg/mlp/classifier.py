"""MLPClassifier."""

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastreg._validation import check_params, check_sample_weight
from fastreg.losses import get_loss
from fastreg.mlp import _docs
from fastreg.mlp._base import CONSTRAINTS, BaseMLP
from fastreg.mlp._data import check_network_data, float_type


@_docs.shared
class MLPClassifier(ClassifierMixin, BaseMLP):
    """A feed-forward network that tells classes apart, or labels.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without)::

        sum_i s_i loss(y_i, raw prediction of x_i) + sum over layers of penalty(W)

    The loss is the cross-entropy: of the softmax for several classes, of the logistic function for two classes and
    for each of several labels. Biases are not penalised. Training in batches, the penalty is applied by its prox in
    the optimizer's own metric, so that what training converges to is stationary for this objective.

    Parameters
    ----------
    {parameters}
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, times `sample_weight`; 'balanced' makes all classes weigh the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or of labels
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastreg import L1, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((20,), solver="lbfgs", penalty=L1(0.01), max_iter=2000, random_state=0).fit(X, y)
    >>> model.n_zeros_ > 50
    True
    """

    loss = "log_loss"  # scikit-learn's name of the only one

    _parameter_constraints: dict = {**CONSTRAINTS, "class_weight": [dict, StrOptions({"balanced"}), None]}

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        penalty=None,
        bias_penalty=None,
        activity_penalty=None,
        dropout=0.0,
        clip=None,
        weight_decay=0.0,
        warmup=0,
        class_weight=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.penalty = penalty
        self.bias_penalty = bias_penalty
        self.activity_penalty = activity_penalty
        self.dropout = dropout
        self.clip = clip
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.class_weight = class_weight

    @_docs.fit
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train.

        Parameters
        ----------
        {trained}
        y : array-like of shape (n_samples,) or, for labels that don't exclude one another, (n_samples, n_labels)
        {validation}
        """
        return self._fit(X, y, sample_weight, (X_val, y_val))

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on these rows, from the weights and the optimizer's state as they are.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes there will be: needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`.
        """
        check_params(self)
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all of y: give partial_fit a dict, or sample_weight.")
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(
                y if type_of_target(y).startswith("multilabel") else self.classes_
            )
        return self._fit(X, y, sample_weight, incremental=True)

    def _check_fit(self, X, y, sample_weight, first, incremental):
        X, y = check_network_data(self, X, y, reset=first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._check_classes(y, incremental)
        kind = self._label_binarizer.y_type_
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            sample_weight = by_class if sample_weight is None else by_class * check_sample_weight(sample_weight, X)
        if kind == "multiclass":
            return X, np.searchsorted(self.classes_, y).astype(float_type(X)), y, sample_weight, len(self.classes_)
        Y = self._label_binarizer.transform(y)
        Y = np.ascontiguousarray(Y.toarray() if hasattr(Y, "toarray") else Y, dtype=float_type(X))
        return X, Y, y, sample_weight, Y.shape[1]

    def _check_classes(self, y, incremental):
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        found = unique_labels(y)
        if incremental:
            if not np.isin(found, self.classes_).all():
                raise ValueError(f"`y` has classes not in `self.classes_`. These are {self.classes_}, y has {found}.")
        elif set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {found}"
            )

    def _stratify(self):
        return self._label_binarizer.y_type_ != "multilabel-indicator" and self.n_outputs_ == 1

    def _loss(self, name=None):
        return get_loss("softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic")

    def _out_activation(self):
        return self._loss().name

    def _score_raw(self, raw, y, weight):
        return accuracy_score(y, self._labels(raw), sample_weight=weight)

    def _labels(self, raw):
        kind = self._label_binarizer.y_type_
        if kind == "multiclass":
            return self.classes_[raw.argmax(axis=1)]
        if kind == "binary" and len(self.classes_) == 2:
            return self.classes_[(raw[:, 0] > 0).astype(np.intp)]
        share = (raw > 0).astype(np.float64)
        return self._label_binarizer.inverse_transform(share.ravel() if share.shape[1] == 1 else share)

    def predict(self, X):
        """Predict classes, or labels.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        return self._labels(self._raw(X))

    def predict_proba(self, X):
        """Probabilities of the classes, or of the labels.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of `classes_`, in the network's float type.
        """
        raw = self._raw(X)
        share = self._loss().predict(raw)
        return np.hstack([1 - share, share]) if self.n_outputs_ == 1 else share

    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`, without its underflow.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
        """
        raw = self._raw(X)
        if self._label_binarizer.y_type_ == "multiclass":
            return log_softmax(raw, axis=1)
        return np.hstack([log_expit(-raw), log_expit(raw)]) if self.n_outputs_ == 1 else log_expit(raw)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
