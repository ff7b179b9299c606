"""Fits of networks: pieces are the whole, any storage, warm starts, scikit-learn's losses, bad input is told so."""

import pickle
import tracemalloc

import numpy as np
import pytest
from network_cases import data, same, weights_of
from scipy import sparse
from scipy.special import xlogy
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from fastreg import (
    L1,
    MCP,
    MLPClassifier,
    MLPRegressor,
)
from fastreg.losses import Softmax

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def test_a_fit_takes_the_memory_of_training():
    """Weights, moments and a copy for divergence, and a batch; also at the end, for the gradient on all rows."""
    n, p = 600, 400
    X, y = np.random.default_rng(0).random((n, p), np.float32), np.arange(n) % 10
    model = MLPClassifier((700, 500), max_iter=1, random_state=0, penalty=L1(1e-4))
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    weights = 4 * sum(w.size for w in model.coefs_)
    batch = 4 * 200 * (p + 700 + 500 + 10)
    assert peak < 4 * weights + 3 * batch


def test_the_same_bits_on_any_number_of_threads(eager):
    X, y = data(n=400, p=50)
    params = {"hidden_layer_sizes": (60, 60), "max_iter": 5, "random_state": 0, "penalty": L1(1e-3), "dropout": 0.3}
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fits.append(MLPRegressor(**params).fit(X, y))
    same(*fits, rtol=0)


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
