"""MLPRegressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from fastreg.losses import Loss, get_loss
from fastreg.mlp import _docs
from fastreg.mlp._base import CONSTRAINTS, BaseMLP
from fastreg.mlp._data import check_network_data

LOSSES = ("squared_error", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie")


@_docs.shared
class MLPRegressor(RegressorMixin, BaseMLP):
    """A feed-forward network that predicts numbers.

    Minimises, with weights s_i = sample_weight_i / sum(sample_weight) (1 / n_samples without)::

        sum_i s_i loss(y_i, raw prediction of x_i) + sum over layers of penalty(W)

    where losses of several targets are added up. Biases are not penalised. Training in batches, the penalty is
    applied by its prox in the optimizer's own metric, so that what training converges to is stationary for this
    objective.

    Parameters
    ----------
    loss : str or Loss, default='squared_error'
        'squared_error' (half of it, as in scikit-learn), 'absolute', 'huber', 'quantile', 'poisson', 'gamma',
        'tweedie' (half deviances, with predictions exp(raw)), or a loss of `fastreg.losses` with its own parameters
        such as `Huber(2.0)` and `Quantile(0.9)`.
    {parameters}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import L1, MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor("huber", (20,), solver="lbfgs", penalty=L1(0.1), max_iter=5000, random_state=0).fit(X, y)
    >>> model.predict(X).shape
    (442,)
    """

    _parameter_constraints: dict = {**CONSTRAINTS, "loss": [StrOptions(set(LOSSES)), Loss]}

    def __init__(
        self,
        loss="squared_error",
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
    ):
        self.loss = loss
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

    @_docs.fit
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train.

        Parameters
        ----------
        {trained}
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        {validation}
        """
        return self._fit(X, y, sample_weight, (X_val, y_val))

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on these rows, from the weights and the optimizer's state as they are.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _check_fit(self, X, y, sample_weight, first, incremental):
        X, y = check_network_data(self, X, y, reset=first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        loss = self._loss(self.loss)
        if loss.name == "softmax":
            raise ValueError("loss must be one of numbers; for classes use MLPClassifier.")
        loss.valid(y)
        Y = np.ascontiguousarray(y.reshape(len(y), -1))
        return X, Y, y, sample_weight, Y.shape[1]

    def _stratify(self):
        return False

    def _loss(self, loss):
        return get_loss("squared" if loss == "squared_error" else loss)

    def _out_activation(self):
        name = self._loss(self.loss).name
        return "exp" if name in ("poisson", "gamma", "tweedie") else "logistic" if name == "logistic" else "identity"

    def _score_raw(self, raw, y, weight):
        return r2_score(y, self._predictions(raw), sample_weight=weight)

    def _predictions(self, raw):
        found = raw if self.out_activation_ == "identity" else self._loss(self._trained[1]).predict(raw)
        return found.ravel() if found.shape[1] == 1 else found

    def predict(self, X):
        """Predict.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the network's float type.
        """
        return self._predictions(self._raw(X))
