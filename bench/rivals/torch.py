"""PyTorch: eager with fused Adam and no DataLoader, and torch.compile."""

import time

import numpy as np
import torch

from bench.networks import BETAS, EPSILON, RATE

from . import Rival

CHUNK = 8192  # rows that it predicts fastest at a time


def network(task):
    layers = []
    for W, b in zip(task.weights, task.biases, strict=True):
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train(task, compiled=False):
    model = network(task)
    X, y = torch.from_numpy(task.X), torch.from_numpy(task.y)
    lossf = torch.nn.MSELoss() if task.loss == "squared" else torch.nn.CrossEntropyLoss()
    half = 0.5 if task.loss == "squared" else 1.0
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=BETAS, eps=EPSILON, fused=True)

    def objective(x, target):
        return half * lossf(model(x), target)

    if compiled:
        objective = torch.compile(objective)
    start = time.perf_counter()
    for batches in task.batches:
        for rows in torch.from_numpy(batches):
            optimizer.zero_grad(set_to_none=True)
            objective(X[rows], y[rows]).backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    linears = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    return seconds, ([a.weight.detach().numpy().T for a in linears], [a.bias.detach().numpy() for a in linears])


def predict(task):
    model = network(task)
    start = time.perf_counter()
    with torch.inference_mode():
        out = [model(part).numpy() for part in torch.from_numpy(task.X).split(CHUNK)]
    out = out[0] if len(out) == 1 else np.concatenate(out)
    return time.perf_counter() - start, out


def train_compiled(task):
    return train(task, compiled=True)


RIVALS = [
    Rival("torch", "torch", "torch", {"train": train, "predict": predict}),
    Rival("torch-compile", "torch", "torch", {"train": train_compiled}),
]
