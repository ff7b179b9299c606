"""Training networks: penalties, losses and activations land where they should."""

import numpy as np
import pytest
from network_cases import data, every_solver, same, settings, weights_of

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
from fastreg.losses import Huber, Logistic, Quantile
from fastreg.networks.full_batch import residual

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
