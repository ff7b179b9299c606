"""Networks, data and helpers that several files of tests share."""

import numpy as np
import pytest
from reference_networks import PlainNetwork, PlainTrainer

from fastreg.networks import Network, Trainer

LOSSES = ("squared", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie", "logistic", "softmax")
# Widths of 1, of less than a vector, of some vectors and a rest, of more than a strip.
SIZES = [(5, 3), (4, 1), (1, 1), (6, 1, 4), (3, 2, 1, 1, 3), (7, 65, 9, 2), (33, 50, 1), (9, 130, 3)]
# full batches with a rate that falls to 0: what is left is the optimum
SOLVERS = {
    "lbfgs": {"solver": "lbfgs", "tol": 1e-9, "max_iter": 5000},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.3, "max_iter": 1500},
    "adam": {"solver": "adam", "learning_rate_init": 0.1, "learning_rate": "cosine", "max_iter": 3000},
}
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def targets(rng, loss, n, K):
    """Valid for the loss."""
    if loss == "softmax":
        return rng.integers(0, K, n).astype(float)
    if loss == "logistic":
        return rng.integers(0, 2, (n, K)).astype(float)
    return rng.random((n, K)) + 0.5 if loss in ("poisson", "gamma", "tweedie") else rng.standard_normal((n, K))


def case(sizes, activation="tanh", loss="squared", n=23, dtype=np.float64, seed=0):
    """A network with weights, X, Y and sample weights."""
    rng = np.random.default_rng(seed)
    net = Network(sizes, [activation] * (len(sizes) - 2), loss, dtype)
    for W, b in zip(net.weights, net.biases, strict=True):
        W[...] = rng.standard_normal(W.shape) / np.sqrt(len(W))
        b[...] = 0.3 * rng.standard_normal(b.shape)
    X = rng.standard_normal((n, sizes[0]))
    return net, X, targets(rng, net.loss.name, n, sizes[-1]), rng.integers(1, 4, n).astype(float)


def twin(net):
    plain = PlainNetwork(net.sizes, net.activations, net.loss)
    for mine, given in zip(plain.weights + plain.biases, net.weights + net.biases, strict=True):
        mine[...] = given
    return plain


def parameters(net):
    """All weights and biases in one vector."""
    return np.concatenate([np.ravel(a) for a in net.weights + net.biases])


def train(net, X, Y, weight, *, optimizer, plain=False, epochs=3, batch_size=8, lr=0.05, **options):
    """Losses of some epochs."""
    rng = np.random.default_rng(5)
    trainer = (PlainTrainer if plain else Trainer)(net, optimizer, **options)
    return [
        trainer.epoch(
            X, Y, weight, rng.permutation(len(Y)), batch_size, lr * np.linspace(1, 0.5, -(-len(Y) // batch_size))
        )
        for _ in range(epochs)
    ]


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
