"""JAX: an epoch is one compiled scan over its batches."""

import os
import time

# Its thread pool has a thread for each core that the process may use.
if os.environ.get("OMP_NUM_THREADS") == "1" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bench.networks import BETAS, EPSILON, RATE

from . import Rival


def raw(parameters, X):
    for W, b in parameters[:-1]:
        X = jnp.maximum(X @ W + b, 0)
    return X @ parameters[-1][0] + parameters[-1][1]


def mean_loss(parameters, X, y, loss):
    z = raw(parameters, X)
    if loss == "squared":
        return 0.5 * jnp.mean((z - y) ** 2)
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])


@partial(jax.jit, static_argnames="loss", donate_argnums=0)
def epoch(state, X, y, batches, loss):
    def step(state, rows):
        parameters, m, v, t = state
        gradient = jax.grad(mean_loss)(parameters, X[rows], y[rows], loss)
        t = t + 1
        rate = RATE * jnp.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
        m = jax.tree.map(lambda a, g: BETAS[0] * a + (1 - BETAS[0]) * g, m, gradient)
        v = jax.tree.map(lambda a, g: BETAS[1] * a + (1 - BETAS[1]) * g * g, v, gradient)
        parameters = jax.tree.map(lambda p, a, b: p - rate * a / (jnp.sqrt(b) + EPSILON), parameters, m, v)
        return (parameters, m, v, t), None

    return jax.lax.scan(step, state, batches)[0]


def train(task):
    X, y = jnp.asarray(task.X), jnp.asarray(task.y)
    parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(task.weights, task.biases, strict=True)]
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    start = time.perf_counter()
    state = (parameters, *zeros, jnp.float32(0))
    for batches in task.batches:
        state = epoch(state, X, y, jnp.asarray(batches), task.loss)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    return seconds, ([np.asarray(W) for W, _ in state[0]], [np.asarray(b) for _, b in state[0]])


compiled = jax.jit(raw)


def predict(task):
    parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(task.weights, task.biases, strict=True)]
    start = time.perf_counter()
    out = np.asarray(compiled(parameters, task.X))
    return time.perf_counter() - start, out


RIVALS = [Rival("jax", "jax", "jax", {"train": train, "predict": predict})]
