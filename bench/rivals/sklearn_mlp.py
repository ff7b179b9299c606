"""scikit-learn's networks: partial_fit is an epoch over the rows in the order given."""

import time

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from bench.networks import BETAS, EPSILON, RATE

from . import Rival


def model(task):
    """An estimator with the first weights and no steps taken."""
    estimator = (MLPRegressor if task.loss == "squared" else MLPClassifier)(
        hidden_layer_sizes=task.sizes[1:-1], alpha=0, batch_size=task.batches.shape[-1] or 1, learning_rate_init=RATE,
        shuffle=False, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON,
    )  # fmt: skip
    y = task.y if task.loss == "softmax" else task.y.ravel()
    first = slice(0, estimator.batch_size)
    estimator.partial_fit(task.X[first], y[first], **({"classes": np.unique(y)} if task.loss == "softmax" else {}))
    estimator.coefs_ = [np.array(W) for W in task.weights]
    estimator.intercepts_ = [np.array(b) for b in task.biases]
    del estimator._optimizer
    return estimator, y


def train(task):
    estimator, y = model(task)
    start = time.perf_counter()
    for batches in task.batches:
        rows = batches.ravel()
        estimator.partial_fit(task.X[rows], y[rows])
    return time.perf_counter() - start, (estimator.coefs_, estimator.intercepts_)


def predict(task):
    estimator, _ = model(task)
    start = time.perf_counter()
    out = estimator.predict(task.X)
    return time.perf_counter() - start, out


RIVALS = [Rival("sklearn-mlp", "scikit-learn", "sklearn.neural_network", {"train": train, "predict": predict})]
