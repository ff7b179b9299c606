"""What goes by epochs in fits of networks: early stopping, rates, dropout, Ctrl-C."""

import numpy as np
import pytest
from network_cases import data, same, weights_of

from fastreg import (
    L1,
    GroupL1,
    MLPRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
