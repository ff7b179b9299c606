"""Training networks: penalties land where they should, pieces are the whole, bad input is told so."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.special import xlogy
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from fastreg import (
    L1,
    L1L2,
    L2,
    MCP,
    Bounds,
    ExpAbs,
    GroupL1,
    Lasso,
    LogisticRegression,
    MaxNorm,
    MLPClassifier,
    MLPRegressor,
    NonNegative,
    Ridge,
)
from fastreg.losses import Huber, Logistic, Quantile, Softmax
from fastreg.networks.full_batch import residual

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# full batches with a rate that falls to 0: what is left is the optimum
SOLVERS = {
    "lbfgs": {"solver": "lbfgs", "tol": 1e-9, "max_iter": 5000},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.3, "max_iter": 1500},
    "adam": {"solver": "adam", "learning_rate_init": 0.1, "learning_rate": "cosine", "max_iter": 3000},
}
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def settings(solver, **params):
    return {
        "hidden_layer_sizes": (),
        "batch_size": 10**6,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
        "random_state": 0,
        **SOLVERS[solver],
        **params,
    }


def data(n=60, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = 2 * X[:, 0] - X[:, 1] + 0.5 * np.abs(X[:, 2]) + 0.3 * rng.standard_normal(n) + 1
    return X, y


def weights_of(model):
    return model.coefs_ + model.intercepts_


def same(a, b, **tolerance):
    for mine, other in zip(weights_of(a), weights_of(b), strict=True):
        np.testing.assert_allclose(mine, other, **tolerance)


# ------------------------------------------------------------------------------------------------------------
# where it lands


@every_solver
@pytest.mark.filterwarnings("ignore:batch_size")
def test_without_hidden_layers_it_is_the_lasso(solver):
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = MLPRegressor(**settings(solver, penalty=L1(0.4))).fit(X, y, weight)
    lasso = Lasso(0.4, tol=1e-12).fit(X, y, weight)
    np.testing.assert_allclose(model.coefs_[0][:, 0], lasso.coef_, atol=1e-5)
    np.testing.assert_array_equal(model.coefs_[0][:, 0] == 0, lasso.coef_ == 0)
    assert model.intercepts_[0] == pytest.approx(lasso.intercept_, abs=1e-5)
    assert 0 < model.n_zeros_ == np.count_nonzero(lasso.coef_ == 0)
    assert model.stationarity_ < 1e-5


@every_solver
@pytest.mark.filterwarnings("ignore:batch_size")
def test_alpha_alone_is_ridge(solver):
    """scikit-learn's alpha: over the weight of a batch, which here is all rows."""
    X, y = data()
    model = MLPRegressor(**settings(solver, alpha=5.0)).fit(X, y)
    ridge = Ridge(5.0).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0][:, 0], ridge.coef_, atol=1e-5)
    assert model.intercepts_[0] == pytest.approx(ridge.intercept_, abs=1e-5)


@every_solver
@pytest.mark.filterwarnings("ignore:batch_size")
def test_without_hidden_layers_it_is_logistic_regression(solver):
    X, y = data()
    y = y > 1
    alpha = 0.05
    model = MLPClassifier(**settings(solver, penalty=L1(alpha))).fit(X, y)
    # its objective is a sum over rows
    twin = LogisticRegression(l1_ratio=1, C=1 / (alpha * len(y)), tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0][:, 0], twin.coef_[0], atol=2e-4)
    assert 0 < model.n_zeros_ == np.count_nonzero(twin.coef_ == 0)


CHARGES = {
    "L1": L1(0.02),
    "L1L2": L1L2(0.02, 0.8),
    "GroupL1": GroupL1(0.01),
    "GroupL1 by feature": GroupL1(0.02, by="feature"),
    "NonNegative": NonNegative(),
    "Bounds": Bounds(-0.3, 0.2),
    "MaxNorm": MaxNorm(0.7),
    "MCP": MCP(0.03),
    "ExpAbs": ExpAbs(0.02),
    "each layer its own": [L1(0.03), L2(0.01)],
}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("charge", CHARGES)
def test_hidden_layers_end_stationary(charge, solver):
    """The fixed point of prox-Adam, and of full batches, is a stationary point of loss + penalty, zeros exact."""
    X, y = data()
    params = settings(solver, hidden_layer_sizes=(7,), activation="tanh", batch_size=60, penalty=CHARGES[charge])
    params["max_iter"] = 5000 if solver == "adam" else 8000
    model = MLPRegressor(**params).fit(X, y)
    assert model.stationarity_ < 3e-3
    net = model._network()
    first = CHARGES[charge]
    penalties = [*(first if isinstance(first, list) else [first] * 2), None, None]
    assert residual(net, penalties, X, y[:, None]) == pytest.approx(model.stationarity_)
    if charge in ("L1", "L1L2", "GroupL1 by feature", "MCP", "ExpAbs", "NonNegative"):
        assert model.n_zeros_ > 0
    assert model.n_zeros_ == sum(np.count_nonzero(W == 0) for W in model.coefs_)
    value = net.objective(X, y[:, None])
    value += sum(p.value(W) for p, W in zip(penalties, model.coefs_) if p is not None)
    assert model.loss_ == pytest.approx(value, rel=1e-3)


def test_biases_are_penalised_only_if_asked_for():
    X, y = data()
    params = settings("lbfgs", penalty=L1(100.0))
    free = MLPRegressor(**params).fit(X, y)
    assert not free.coefs_[0].any()
    assert free.intercepts_[0] == pytest.approx(y.mean(), abs=1e-6)
    charged = MLPRegressor(**params, bias_penalty=L1(100.0)).fit(X, y)
    assert charged.intercepts_[0] == 0


@pytest.mark.parametrize(("name", "penalty"), [("l1", L1(0.03)), ("l2", L2(0.03)), ("l1_l2", L1L2(0.06, 0.5))])
def test_a_name_has_alpha_as_its_strength(name, penalty):
    X, y = data()
    params = {"hidden_layer_sizes": (4,), "max_iter": 20, "random_state": 0}
    by_name = MLPRegressor(penalty=name, alpha=0.03, **params).fit(X, y)
    same(by_name, MLPRegressor(penalty=penalty, **params).fit(X, y), rtol=1e-12)


def test_a_trained_network_is_made_sparse():
    """warm_start with another penalty goes on from the weights as they are."""
    X, y = data()
    params = {"hidden_layer_sizes": (20,), "max_iter": 150, "learning_rate_init": 0.02, "random_state": 0}
    model = MLPRegressor(**params, warm_start=True).fit(X, y)
    trained, score = [W.copy() for W in model.coefs_], model.score(X, y)
    model.set_params(max_iter=1, learning_rate_init=1e-9).fit(X, y)
    for W, before in zip(model.coefs_, trained, strict=True):
        np.testing.assert_allclose(W, before, atol=1e-6)
    assert model.n_zeros_ == 0
    model.set_params(max_iter=300, learning_rate_init=0.02, penalty=L1(0.003)).fit(X, y)
    assert model.n_zeros_ > 50
    assert model.score(X, y) > score - 0.1


def test_training_goes_on_with_another_loss():
    X, y = data()
    params = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, "alpha": 0}
    model = MLPRegressor(Huber(0.1), **params, warm_start=True).fit(X, np.abs(y))
    start = [np.array(a) for a in weights_of(model)]
    for loss in (Huber(3.0), "poisson", "squared_error"):
        expected = MLPRegressor(loss, **params, warm_start=True).fit(X, np.abs(y))
        for mine, given in zip(weights_of(expected), start, strict=True):
            mine[...] = given
        for mine, given in zip(weights_of(model), start, strict=True):
            mine[...] = given
        same(model.set_params(loss=loss).fit(X, np.abs(y)), expected.fit(X, np.abs(y)), rtol=0)
        np.testing.assert_array_equal(model.predict(X), expected.predict(X))


def test_shares_are_predicted_as_shares():
    X, y = data()
    share = 1 / (1 + np.exp(-y))
    model = MLPRegressor(Logistic(), (), solver="lbfgs", alpha=0, max_iter=1000, random_state=0).fit(X, share)
    assert ((model.predict(X) > 0) & (model.predict(X) < 1)).all()
    assert model.score(X, share) > 0.9


def test_alpha_is_for_the_rows_that_are_trained_on():
    """A batch bears alpha over its weight, whether or not early stopping has put rows aside."""
    X, y = data()
    weight = np.full(60, 2.0)
    params = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0, "alpha": 50.0, "batch_size": 10}
    model = MLPRegressor(**params, early_stopping=True, validation_fraction=0.5).fit(X, y, weight)
    twin = MLPRegressor(**{**params, "alpha": 0}, penalty=L2(50.0 / 20), early_stopping=True, validation_fraction=0.5)
    same(model, twin.fit(X, y, weight), rtol=1e-12)


# ------------------------------------------------------------------------------------------------------------
# pieces and the whole


@pytest.mark.parametrize("saved", [False, True], ids=["", "pickled between"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_in_pieces_is_one_pass(solver, saved):
    X, y = data(n=40)
    params = {"hidden_layer_sizes": (6,), "solver": solver, "random_state": 0, "penalty": L1(0.01), "shuffle": False}
    whole = MLPRegressor(**params, batch_size=10, max_iter=1).fit(X, y)
    model = MLPRegressor(**params, batch_size=10)
    for start in range(0, 40, 10):
        model.partial_fit(X[start : start + 10], y[start : start + 10])
        model = pickle.loads(pickle.dumps(model)) if saved else model
    same(model, whole, rtol=1e-12)
    assert model.t_ == whole.t_ == 40


def test_partial_fit_of_a_classifier():
    X, y = data()
    y = np.digitize(y, [0, 2])
    model = MLPClassifier(random_state=0, hidden_layer_sizes=(5,), class_weight={0: 1, 1: 2, 2: 3})
    for _ in range(5):
        model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (len(y), 3)
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="balanced"):
        model.set_params(class_weight="balanced").partial_fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_weights_are_repetitions(solver):
    """For full batches; a row of weight 0 is absent for any batches."""
    X, y = data(n=30)
    weight = np.arange(30) % 3
    params = {"hidden_layer_sizes": (5,), "solver": solver, "max_iter": 30, "random_state": 0, "alpha": 0.1}
    weighted = MLPRegressor(**params).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(30), weight)
    same(weighted, MLPRegressor(**params).fit(X[rows], y[rows]), rtol=1e-6, atol=1e-8)
    if solver != "lbfgs":
        keep = weight > 0
        some = MLPRegressor(**params, batch_size=4).fit(X[keep], y[keep], sample_weight=weight[keep])
        zeros = np.where(keep, y, 1e6)
        same(MLPRegressor(**params, batch_size=4).fit(X, zeros, sample_weight=weight), some, rtol=1e-9)


@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}])
def test_class_weight_is_sample_weight(weight):
    X, y = data()
    y = np.digitize(y, [0, 2])
    by_class = len(y) / (3 * np.bincount(y)) if weight == "balanced" else np.array([weight[k] for k in range(3)])
    params = {"hidden_layer_sizes": (4,), "max_iter": 20, "random_state": 0}
    given = np.linspace(1, 2, len(y))
    a = MLPClassifier(class_weight=weight, **params).fit(X, y, sample_weight=given)
    same(a, MLPClassifier(**params).fit(X, y, sample_weight=given * by_class[y]), rtol=1e-12)


STORAGES = {
    "F": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "int64 indices": lambda X: _wide(sparse.csr_array(X)),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
}


def _wide(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("storage", STORAGES)
def test_any_storage(storage, solver):
    X, y = data()
    X[np.abs(X) < 0.8] = 0
    params = {"hidden_layer_sizes": (5,), "max_iter": 15, "random_state": 0, "penalty": L1(0.01), "solver": solver}
    stored = STORAGES[storage](X)
    fitted, twin = MLPRegressor(**params).fit(stored, y), MLPRegressor(**params).fit(X, y)
    same(fitted, twin, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fitted.predict(stored), twin.predict(X), rtol=1e-6, atol=1e-8)


def test_large_x_is_predicted_in_chunks(monkeypatch):
    """The same predictions, and the same refusal of NaN, wherever a chunk ends."""
    from fastreg.mlp import _base

    X, y = data()
    model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0).fit(X, y)
    expected = model.predict(X)
    monkeypatch.setattr(_base, "CHUNK", 7 * X.shape[1])
    np.testing.assert_array_equal(model.predict(X), expected)
    X[41, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(X)


def test_floats_are_those_of_x():
    X, y = data()
    X = np.round(4 * X)
    params = {"hidden_layer_sizes": (5,), "max_iter": 20, "random_state": 0, "penalty": L1(0.01)}
    double = MLPRegressor(**params).fit(X, y)
    single = MLPRegressor(**params).fit(X.astype(np.float32), y)
    whole = MLPRegressor(**params).fit(X.astype(np.int8), y)
    assert {w.dtype for w in weights_of(double)} == {np.dtype(np.float64)}
    assert {w.dtype for w in weights_of(single)} == {np.dtype(np.float32)} == {single.predict(X).dtype}
    same(single, double, atol=1e-4)
    same(whole, single, rtol=0)


def test_the_same_bits_on_any_number_of_threads():
    X, y = data(n=400, p=50)
    params = {"hidden_layer_sizes": (60, 60), "max_iter": 5, "random_state": 0, "penalty": L1(1e-3), "dropout": 0.3}
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fits.append(MLPRegressor(**params).fit(X, y))
    same(*fits, rtol=0)


# ------------------------------------------------------------------------------------------------------------
# what goes by epochs


def test_early_stopping_puts_the_best_weights_back():
    X, y = data(n=80)
    params = {"hidden_layer_sizes": (50,), "learning_rate_init": 0.05, "max_iter": 100, "random_state": 0}
    model = MLPRegressor(**params, early_stopping=True).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert model.score(X[40:], y[40:]) == pytest.approx(model.best_validation_score_, rel=1e-9)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.n_iter_ == len(model.validation_scores_) == len(model.loss_curve_) < 100
    # all rows of X are trained on, as X_val is given
    assert model.t_ == 40 * model.n_iter_
    watched = MLPRegressor(**params).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert len(watched.validation_scores_) == watched.n_iter_
    assert watched.score(X[40:], y[40:]) == pytest.approx(watched.validation_scores_[-1], rel=1e-9)
    same(watched, MLPRegressor(**params).fit(X[:40], y[:40]), rtol=0)


def test_rates(monkeypatch):
    """What the optimizer is given, batch by batch: warm-up in even steps, then a cosine down to 0."""
    from fastreg.mlp import _stochastic

    seen = []

    class Watched(_stochastic.Trainer):
        def epoch(self, X, Y, weight, order, batch, rates, seed):
            seen.append(np.broadcast_to(rates, 4).copy())
            return super().epoch(X, Y, weight, order, batch, rates, seed)

    monkeypatch.setattr(_stochastic, "Trainer", Watched)
    X, y = data(n=40)
    common = {"hidden_layer_sizes": (3,), "batch_size": 10, "random_state": 0, "tol": 0, "n_iter_no_change": 99}
    MLPRegressor(**common, max_iter=6, warmup=2, learning_rate="cosine", learning_rate_init=0.1).fit(X, y)
    rates = np.concatenate(seen)
    np.testing.assert_allclose(rates[:8], 0.1 * np.arange(1, 9) / 8)
    np.testing.assert_allclose(rates[8:], 0.05 * (1 + np.cos(np.pi * np.arange(16) / 16)))
    seen.clear()
    MLPRegressor(**common, max_iter=3, warmup=1, learning_rate_init=0.1).fit(X, y)
    np.testing.assert_allclose(np.concatenate(seen)[4:], 0.1)


def test_dropout_activity_and_decay_shrink():
    """Each does what it says, and the objective they don't share is not reported as stationary."""
    X, y = data()
    params = {"hidden_layer_sizes": (30,), "max_iter": 200, "learning_rate_init": 0.01, "random_state": 0, "alpha": 0}

    def outputs(model):
        return np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0).mean()

    plain = MLPRegressor(**params).fit(X, y)
    quiet = MLPRegressor(**params, activity_penalty=L1(0.1)).fit(X, y)
    small = MLPRegressor(**params, weight_decay=1.0).fit(X, y)
    dropped = MLPRegressor(**params, dropout=[0.5]).fit(X, y)
    assert outputs(quiet) < 0.7 * outputs(plain)
    assert np.linalg.norm(small.coefs_[0]) < 0.7 * np.linalg.norm(plain.coefs_[0])
    assert dropped.loss_ > plain.loss_
    assert plain.stationarity_ is not None
    assert quiet.stationarity_ is small.stationarity_ is dropped.stationarity_ is None
    same(dropped, MLPRegressor(**params, dropout=0.5).fit(X, y), rtol=0)


def test_clip_bounds_a_step():
    X, y = data()
    params = {"hidden_layer_sizes": (3,), "solver": "sgd", "momentum": 0.0, "random_state": 0, "max_iter": 1}
    start = MLPRegressor(**params, learning_rate_init=1e-12).fit(X, 100 * y)
    moved = MLPRegressor(**params, learning_rate_init=0.1, clip=0.5, alpha=0).fit(X, 100 * y)
    step = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(weights_of(moved), weights_of(start))))
    assert step == pytest.approx(0.1 * 0.5, rel=1e-4)


def test_ctrl_c_ends_training_at_the_last_whole_epoch(monkeypatch):
    """As in scikit-learn, with a warning; what was learnt so far is there."""
    from fastreg.mlp import _stochastic

    class Interrupted(_stochastic.Trainer):
        def epoch(self, *args):
            if self.t == 12:  # three epochs of four batches
                raise KeyboardInterrupt
            return super().epoch(*args)

    X, y = data(n=40)
    params = {"hidden_layer_sizes": (3,), "batch_size": 10, "random_state": 0}
    whole = MLPRegressor(**params, max_iter=3).fit(X, y)
    monkeypatch.setattr(_stochastic, "Trainer", Interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        model = MLPRegressor(**params, max_iter=9).fit(X, y)
    same(model, whole, rtol=0)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.stationarity_ == whole.stationarity_


class StoppedNetwork:
    """Ctrl-C comes while a certain gradient is on its way."""

    def __init__(self, net, gradients):
        self.weights, self.biases, self.loss, self.net, self.left = net.weights, net.biases, net.loss, net, gradients

    def gradient(self, *args):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.net.gradient(*args)


@pytest.mark.parametrize("penalty", [None, L1(0.01), GroupL1(0.01)], ids=str)
@pytest.mark.parametrize("gradients", [1, 8, 9, 10, 11, 12])
def test_ctrl_c_in_full_batches_keeps_the_last_iteration(monkeypatch, gradients, penalty):
    """Not what a line search was trying: the weights, the loss and their number are those of a fit that ended there."""
    from fastreg.mlp import _base

    X, y = data(n=40)
    params = {"hidden_layer_sizes": (3,), "solver": "lbfgs", "penalty": penalty, "random_state": 0, "tol": 1e-9}
    minimise = _base.minimise
    monkeypatch.setattr(_base, "minimise", lambda net, *a, **k: minimise(StoppedNetwork(net, gradients), *a, **k))
    with pytest.warns(UserWarning, match="interrupted"):
        model = MLPRegressor(**params).fit(X, y)
    monkeypatch.undo()
    if model.n_iter_ == 0:
        assert gradients < 8
        assert np.isfinite([model.loss_, model.stationarity_]).all()
        return
    whole = MLPRegressor(**params, max_iter=model.n_iter_).fit(X, y)
    same(model, whole, rtol=0)
    assert model.loss_ == pytest.approx(whole.loss_)
    assert model.stationarity_ == whole.stationarity_


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_loss_of_several_targets_is_scikit_learns(loss, solver):
    """A swap shows the same number: squared errors are averaged over targets, the others added up."""
    X, y = data(n=40)
    Y = np.abs(np.column_stack([y, X[:, 1], y - X[:, 3]]))
    params = {"hidden_layer_sizes": (4,), "solver": solver, "alpha": 0.0, "max_iter": 3, "random_state": 0}
    theirs = neural_network.MLPRegressor(loss, **params).fit(X, Y)
    ours = MLPRegressor(loss, **params).fit(X, Y)
    if solver == "lbfgs":  # theirs pairs the gradient of the sum with the mean: other steps, but what a loss is stays
        prediction = ours.predict(X)
        value = 0.5 * np.mean((prediction - Y) ** 2)
        if loss == "poisson":
            value = np.mean(prediction - Y + xlogy(Y, Y / prediction), axis=0).sum()
        assert ours.loss_ == pytest.approx(value)
    else:
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)


def test_a_model_predicts_as_it_was_fitted():
    """Parameters set after `fit` are for the next one."""
    X, y = data(n=40)
    y = np.abs(y)
    model = MLPRegressor("poisson", (4,), activation="tanh", random_state=0).fit(X, y)
    before = model.predict(X)
    model.set_params(loss="squared_error", activation="relu")
    for other in (model, pickle.loads(pickle.dumps(model)), model.compact()):
        np.testing.assert_allclose(other.predict(X), before, rtol=1e-12)


def test_a_refused_warm_start_leaves_the_model_as_it_was():
    X, y = data(n=40)
    model = MLPRegressor(hidden_layer_sizes=(4,), warm_start=True, random_state=0).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="same sizes"):
        model.fit(X, np.column_stack([y, y]))
    assert model.n_outputs_ == 1
    np.testing.assert_array_equal(model.predict(X), before)


def test_the_classifiers_loss_has_scikit_learns_name():
    assert MLPClassifier().loss == neural_network.MLPClassifier().loss
    assert "loss" not in MLPClassifier().get_params()


@pytest.mark.parametrize("activation", ["leaky_relu", "elu", "gelu", "silu", "softplus", ["tanh", "relu"]])
def test_activations_learn(activation):
    X, y = data()
    model = MLPRegressor(hidden_layer_sizes=(12, 8), activation=activation, solver="lbfgs", random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize(
    ("loss", "center"),
    [
        ("squared_error", np.mean),
        ("absolute", np.median),
        (Huber(1e6), np.mean),
        (Quantile(0.8), lambda y: np.quantile(y, 0.8)),
        ("poisson", np.mean),
        ("gamma", np.mean),
    ],
    ids=["squared", "absolute", "huber", "quantile", "poisson", "gamma"],
)
def test_losses_predict_their_center(loss, center):
    """With weights held at 0 the bias is the best constant."""
    y = np.abs(data(n=401)[1]) + 0.1
    X = np.zeros((401, 1))
    params = settings("adam", penalty=Bounds(0, 0), loss=loss, learning_rate_init=0.05, batch_size=401)
    model = MLPRegressor(**params).fit(X, y)
    assert model.predict(X[:1])[0] == pytest.approx(center(y), abs=0.02)


# ------------------------------------------------------------------------------------------------------------
# bad input


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_divergence_names_the_rate_and_keeps_finite_weights(solver):
    X, y = data()
    y = y * 1e200 if solver == "lbfgs" else y
    model = MLPRegressor(solver=solver, learning_rate_init=1e9, activation="identity", random_state=0)
    message = r"learning_rate_init=1e\+09.*last whole epoch" if solver == "sgd" else "non-finite"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert all(np.isfinite(w).all() for w in weights_of(model))
    assert np.isfinite(model.predict(X)).all()


BAD = {
    "negative size": ({"hidden_layer_sizes": (4, -1)}, "hidden_layer_sizes"),
    "size of float": ({"hidden_layer_sizes": (4.5,)}, "hidden_layer_sizes"),
    "activation": ({"activation": "swish"}, "activation"),
    "activations": ({"activation": ["relu", "relu"]}, "activation has 2 entries"),
    "one activation": ({"activation": ["swish"]}, "swish"),
    "penalty": ({"penalty": "l3"}, "penalty.*l3"),
    "penalties": ({"penalty": [L1(0.1)]}, "penalty has 1 entries.*2 layers"),
    "penalty of a number": ({"penalty": [0.1, 0.1]}, "penalty"),
    "bias_penalty": ({"bias_penalty": ["l1", "no"]}, "bias_penalty"),
    "activity_penalty": ({"activity_penalty": MCP(0.1)}, "activity_penalty"),
    "dropout": ({"dropout": [1.0]}, "dropout"),
    "dropouts": ({"dropout": [0.1, 0.1]}, "dropout has 2 entries"),
    "loss": ({"loss": "hinge"}, "loss"),
    "clip": ({"clip": 0.0}, "clip"),
    "warmup": ({"warmup": -1}, "warmup"),
    "lbfgs and dropout": ({"solver": "lbfgs", "dropout": 0.5}, "solver='adam'"),
    "lbfgs and decay": ({"solver": "lbfgs", "weight_decay": 0.5}, "weight_decay"),
    "tiny validation set": ({"early_stopping": True, "validation_fraction": 0.01}, "validation_fraction"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_parameters_are_named(bad):
    params, message = BAD[bad]
    with pytest.raises((ValueError, TypeError), match=message):
        MLPRegressor(**{"hidden_layer_sizes": (4,), "max_iter": 2, **params}).fit(*data())


def test_bad_data_is_named():
    X, y = data()
    with pytest.raises(ValueError, match="Poisson"):
        MLPRegressor("poisson").fit(X, -np.abs(y))
    with pytest.raises(ValueError, match="y_val"):
        MLPRegressor().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="y_val needs X_val"):
        MLPRegressor().fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="MLPClassifier"):
        MLPRegressor(Softmax()).fit(X, (y > 0).astype(float))
    with pytest.raises(ValueError, match="early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes.*warm_start"):
        MLPRegressor(max_iter=2, warm_start=True).fit(X, y).set_params(hidden_layer_sizes=(4,)).fit(X, y)
    with pytest.raises(ValueError, match="warm_start can only be used"):
        MLPClassifier((3,), max_iter=2, warm_start=True).fit(X, y > 1).fit(X, y.round())
    with pytest.warns(UserWarning, match="batch_size=100"):
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, batch_size=100).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_fun"):
        MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_fun=3).fit(X, y)


@pytest.mark.parametrize("charge", ["GroupL1", "MaxNorm", "ExpAbs"])
def test_full_batches_in_float32_end(charge):
    """Proximal steps end where float32 no longer tells objectives apart, close to what float64 finds."""
    X, y = data()
    params = settings("lbfgs", hidden_layer_sizes=(7,), activation="tanh", penalty=CHARGES[charge], max_iter=5000)
    wide = MLPRegressor(**params).fit(X, y)
    narrow = MLPRegressor(**params).fit(X.astype(np.float32), y.astype(np.float32))
    assert narrow.coefs_[0].dtype == np.float32
    assert max(wide.n_iter_, narrow.n_iter_) < 5000
    assert wide.stationarity_ < 1e-8
    assert narrow.stationarity_ < 1e-3
    assert narrow.loss_ == pytest.approx(wide.loss_, rel=1e-4)
