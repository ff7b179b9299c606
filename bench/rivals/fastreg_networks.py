"""fastreg's networks: without a penalty, and with L1 + L2 on every layer."""

import time

import numpy as np

from bench.networks import BETAS, EPSILON, RATE
from fastreg.networks import Adam, Network, Trainer
from fastreg.penalties import L1L2

from . import Rival


def network(task):
    net = Network(task.sizes, ["relu"] * (len(task.sizes) - 2), task.loss, np.float32)
    for mine, given in zip(net.weights + net.biases, task.weights + task.biases, strict=True):
        mine[...] = given
    return net


def train(task, penalty=None):
    net = network(task)
    y = task.y if task.loss == "squared" else task.y.astype(np.float32)
    start = time.perf_counter()
    trainer = Trainer(net, Adam(*BETAS, EPSILON), [penalty] * len(net.weights))
    for batches in task.batches:
        trainer.epoch(task.X, y, None, batches.ravel(), batches.shape[-1], RATE)
    return time.perf_counter() - start, (net.weights, net.biases)


def train_penalised(task):
    # Small enough for the loss to stay what it is without: what is measured is the prox.
    return train(task, L1L2(1e-7, 0.5))


def predict(task):
    net = network(task)
    start = time.perf_counter()
    out = net.raw(task.X)
    return time.perf_counter() - start, out


RIVALS = [
    Rival("fastreg", "fastreg", "fastreg", {"train": train, "predict": predict}),
    Rival("fastreg-prox", "fastreg", "fastreg", {"train": train_penalised, "beside": train}),
]
