"""What MLPClassifier and MLPRegressor share: parameters, fit and partial_fit, what is fitted."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastreg._callbacks import CallbackSupportMixin, FitTask, with_callbacks
from fastreg._validation import check_params, check_sample_weight
from fastreg.mlp import _layers, _stochastic
from fastreg.mlp._data import check_network_data, check_rows, float_type
from fastreg.mlp._inspection import Inspection
from fastreg.networks import Network
from fastreg.networks.compact import CompactNetwork
from fastreg.networks.full_batch import minimise, residual
from fastreg.penalties import Penalty

# Elements of X to predict from at a time.
CHUNK = 1 << 21
STOCHASTIC = ("sgd", "adam")

CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(_layers.ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "penalty": [str, Penalty, list, tuple, None],
    "bias_penalty": [str, Penalty, list, tuple, None],
    "activity_penalty": [str, Penalty, list, tuple, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "clip": [Interval(Real, 0, None, closed="neither"), None],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "warmup": [Interval(Integral, 0, None, closed="left")],
}


class BaseMLP(Inspection, CallbackSupportMixin, BaseEstimator):
    """A feed-forward network.

    A subclass says how targets are encoded (`_encode`), which loss that makes and how raw predictions become
    predictions.
    """

    # ------------------------------------------------------------------------------------------------------
    # fit

    @with_callbacks
    def _fit(self, X, y, sample_weight, validation=(None, None), incremental=False):
        check_params(self)
        sizes = _layers.hidden_sizes(self.hidden_layer_sizes)
        names = _layers.activations(self.activation, len(sizes))
        if validation[0] is None and validation[1] is not None:
            raise ValueError("y_val needs X_val.")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, Y, y, sample_weight, n_outputs = self._check_fit(X, y, sample_weight, first, incremental)
        weight = check_sample_weight(sample_weight, X)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        random_state = check_random_state(self.random_state)
        sizes = [X.shape[1], *sizes, n_outputs]
        dtype = float_type(X)
        if first:
            net = Network(sizes, names, self._loss(self.loss), dtype)
            self._initialise(net, random_state)
        else:
            net = self._continued(sizes, names)
        self.n_outputs_, self._trained = n_outputs, (names, self.loss)
        # a row of weight 0 is no row
        rows = np.arange(X.shape[0]) if weight is None else np.flatnonzero(weight)
        # The iteration that begins when the last one ends is one more.
        kind, n_rounds = ("epoch", self.max_iter) if self.solver in STOCHASTIC else ("iteration", self.max_iter + 1)
        task = FitTask(self, X, y, sample_weight, kind, n_rounds, self._weights_now)
        if self.solver in STOCHASTIC:
            self._fit_stochastic(net, X, Y, y, weight, rows, validation, random_state, incremental, task)
        else:
            self._fit_full_batch(net, X, Y, weight, validation, task)
        if not incremental:
            self.stationarity_ = self._stationarity(net, X, Y, weight)
        self.n_zeros_ = int(sum(w.size - np.count_nonzero(w) for w in net.weights))
        task.close()
        return self

    def _weights_now(self):
        return {name: [np.array(a) for a in getattr(self, name)] for name in ("coefs_", "intercepts_")}

    def _initialise(self, net, random_state):
        """Weights and biases of a new network, and the attributes that training fills."""
        for k, (w, b) in enumerate(zip(net.weights, net.biases)):
            # Glorot & Bengio 2010, drawn in scikit-learn's order
            name = net.activations[min(k, len(net.activations) - 1)] if net.activations else "identity"
            bound = np.sqrt((2.0 if name == "logistic" else 6.0) / sum(w.shape))
            w[...] = random_state.uniform(-bound, bound, w.shape)
            b[...] = random_state.uniform(-bound, bound, b.shape)
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(net.sizes)
        self.out_activation_ = self._out_activation()
        self._optimizer_state = self._standing = None
        self._adopt(net)
        for name in (
            "used_features_",
            "loss_curve_",
            "validation_scores_",
            "best_loss_",
            "best_validation_score_",
            "_trainer",
        ):
            vars(self).pop(name, None)

    def _adopt(self, net):
        """Take over a network: `coefs_` and `intercepts_` are its own memory."""
        self._net = net
        self.coefs_, self.intercepts_ = list(net.weights), list(net.biases)

    def _continued(self, sizes, names):
        """The fitted network, to be trained on; a new activation or loss is taken over."""
        if hasattr(self, "used_features_"):
            raise ValueError("A compact network is for prediction: train the one it was made of, or fit anew.")
        net = self._network()
        if tuple(sizes) != net.sizes:
            raise ValueError(
                f"The fitted network has layers of {list(net.sizes)}, but hidden_layer_sizes and the data ask for "
                f"{sizes}. Training goes on with the same sizes only; fit with warm_start=False to begin anew."
            )
        loss = self._loss(self.loss)
        if tuple(names) != net.activations or loss != net.loss:
            fresh = Network(sizes, names, loss, net.dtype)
            for mine, fitted in zip(fresh.weights + fresh.biases, net.weights + net.biases, strict=True):
                mine[...] = fitted
            net = fresh
            self._adopt(net)
            self.out_activation_ = self._out_activation()
        return net

    def _check_validation(self, X_val, y_val):
        if y_val is None:
            raise ValueError("X_val needs y_val.")
        X_val, y_val = check_network_data(self, X_val, y_val, reset=False)
        return X_val, column_or_1d(y_val) if y_val.ndim == 2 and y_val.shape[1] == 1 else y_val

    def _fit_stochastic(self, net, X, Y, y, weight, rows, validation, random_state, incremental, task):
        score = None
        if validation[0] is not None or self.early_stopping:
            if validation[0] is None:
                rows, held_out = _stochastic.split(self, y, rows, self._stratify(), random_state)
                held_out_weight = None if weight is None else weight[held_out]
                validation = X[held_out], y[held_out], held_out_weight
            else:
                validation = (*self._check_validation(*validation), None)
            score = self._scorer(net, *validation)
        batch = _stochastic.batch_rows(self.batch_size, len(rows))
        if self.batch_size != "auto" and self.batch_size > len(rows):
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {len(rows)} rows to train on: it is clipped.",
                stacklevel=5,
            )
        mean_weight = 1.0 if weight is None or not len(rows) else weight[rows].mean()
        self._charges = charges = _layers.charges(self, len(net.weights), batch * float(mean_weight))
        if not hasattr(self, "loss_curve_") or not incremental:
            self._start_curves(score)
        trainer = self._make_trainer(net, charges, incremental)
        data = X, Y, weight, rows, batch
        try:
            _stochastic.train(self, net, trainer, charges, data, score, random_state, incremental, task)
        finally:
            self._trainer = trainer

    def _start_curves(self, score):
        if not (self.warm_start and hasattr(self, "loss_curve_")):
            self.loss_curve_ = []
            self.validation_scores_ = None if score is None else []
        elif score is not None and self.validation_scores_ is None:
            self.validation_scores_ = []
        # what was best under another penalty is no measure
        self.best_loss_ = None if self.early_stopping else np.inf
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _make_trainer(self, net, charges, incremental):
        """The trainer of the last call where it fits this one, else a new one, in the state of the last."""
        settings = (
            (self.solver, self.momentum, self.nesterovs_momentum, self.beta_1, self.beta_2, self.epsilon),
            (charges.weights, charges.biases, str(charges.activity), str(charges.dropout)),
            (self.clip, self.weight_decay),
        )
        old = getattr(self, "_trainer", None)
        if incremental and old is not None and self._settings == settings and old.net is net:
            return old
        trainer = _stochastic.make_trainer(self, net, charges)
        if incremental and (old is not None or self._optimizer_state is not None):
            same = self._settings[0] == settings[0]
            if same:
                trainer.set_state(self._optimizer_state if old is None else old.get_state())
        self._optimizer_state, self._settings = None, settings
        return trainer

    def _scorer(self, net, X, y, weight):
        def score():
            raw = net.raw(X)
            return float(self._score_raw(raw, y, weight)) if np.isfinite(raw).all() else np.nan

        return score

    def _fit_full_batch(self, net, X, Y, weight, validation, task):
        total = float(len(Y) if weight is None else weight.sum())
        self._charges = charges = _layers.charges(self, len(net.weights), total)
        if charges.dropout or charges.activity or self.weight_decay or validation[0] is not None:
            raise ValueError(
                "dropout, activity_penalty, weight_decay and X_val are for training in batches: use solver='adam' or "
                "'sgd'."
            )
        before = [np.array(a) for a in net.weights + net.biases]
        with np.errstate(over="ignore", invalid="ignore"):
            done = minimise(
                net,
                charges.weights + charges.biases,
                X,
                Y,
                weight,
                tol=self.tol,
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                task=task,
            )
        if not (np.isfinite(done.objective) and all(np.isfinite(a).all() for a in net.weights + net.biases)):
            for a, old in zip(net.weights + net.biases, before, strict=True):
                a[...] = old
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        self.n_iter_ = min(done.n_iter, self.max_iter)
        charged = charges.value(net)
        self.loss_ = (done.objective - charged) / self._averaged(net) + charged
        if done.interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        elif not done.converged:
            warnings.warn(
                f"lbfgs did not converge after {done.n_iter} iterations: {done.message}. Increase max_iter, max_fun or "
                "tol, or put the features on one scale.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _averaged(self, net):
        """Targets over which `loss_` is a mean: as in scikit-learn, those of the squared loss, and of no other.

        What is minimised is the sum in any case, there as here.
        """
        return self.n_outputs_ if net.loss.name == "squared" else 1

    def _stationarity(self, net, X, Y, weight):
        """None where batches do not minimise mean loss + penalties: dropout, activity, decoupled decay."""
        charges = self._charges
        if charges.dropout or charges.activity or self.weight_decay:
            return None
        # the trainer's memory is free until the next epoch
        gradient = self._trainer.gradient if self.solver in STOCHASTIC else None
        return residual(net, charges.weights + charges.biases, X, Y, weight, gradient)

    def _check_solver(self):
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # ------------------------------------------------------------------------------------------------------
    # what is fitted

    def _network(self):
        """The network that `coefs_` and `intercepts_` make; the one kept, as long as they are its memory."""
        net = self.__dict__.get("_net")
        coefs, intercepts = self.coefs_, self.intercepts_
        if "used_features_" in self.__dict__:
            if net is None:
                names, loss = self._trained[0], self._loss(self._trained[1])
                net = CompactNetwork(coefs, intercepts, names, loss, self.used_features_, self.n_features_in_)
                self._net = net
            return net
        if net is not None:
            mine = zip(net.weights + net.biases, coefs + intercepts)
            if len(coefs) == len(net.weights) and all(a is b for a, b in mine):
                return net
        sizes = [coefs[0].shape[0], *(w.shape[1] for w in coefs)]
        dtype = np.float32 if coefs[0].dtype == np.float32 else np.float64
        net = Network(sizes, self._trained[0], self._loss(self._trained[1]), dtype)
        for mine, fitted in zip(net.weights + net.biases, coefs + intercepts, strict=True):
            mine[...] = fitted
        self._adopt(net)
        return net

    def _raw(self, X):
        """Raw predictions, (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        net = self._network()
        if type(X) is not np.ndarray or X.ndim != 2 or X.size <= CHUNK:
            return net.raw(check_rows(self, X))
        # the look for NaN brings rows into the cache, where the network finds them
        rows = max(1, CHUNK // X.shape[1])
        parts = [net.raw(check_rows(self, X[at : at + rows])) for at in range(0, X.shape[0], rows)]
        return np.concatenate(parts)

    def __getstate__(self):
        state = dict(super().__getstate__())
        trainer = state.pop("_trainer", None)
        for name in ("_net", "_charges"):
            state.pop(name, None)
        if trainer is not None:
            state["_optimizer_state"] = trainer.get_state()
        if "_settings" in state:
            state["_settings"] = state["_settings"][:1]  # of what state is, in plain types
        if "coefs_" in state:
            state["coefs_"] = [w if sparse.issparse(w) else np.ascontiguousarray(w) for w in state["coefs_"]]
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
