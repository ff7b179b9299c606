"""The workloads of networks: what is trained, on what, from which weights, in which batches; their judge.

Everyone starts from the same weights (Glorot's uniform) and takes the same batches in the same order, Adam at a rate of
1e-3 in float32; no batch is smaller than the others, the rows that are left over are left out. Digits come
with scikit-learn, all else is simulated: M2 a smooth function of three of 20 features, M3 and M4 ten classes around
random centres in [0, 1]^784. The judge computes in float64 the mean loss on all rows from the weights that came back,
and sets it against a plain NumPy training in float64: within ``NOISE`` of that, the rival has trained the network.
Predictions are judged by their distance from the plain ones.
"""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Rounding moves the loss after some epochs: this share of it, and of the loss at the start.
NOISE = (0.05, 1e-3)
PAIRS = 10  # fits beside another at least, where it is their ratio that is asked for
RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class NetworkWork:
    """One workload.

    Attributes
    ----------
    name, title : str
    family : str
        "train" or "predict".
    data : str
    sizes : tuple of int
    loss : str
        "softmax" or "squared".
    batch, epochs : int
    rows : int
        predict: rows at a time.
    asked : tuple of (float, str)
        As of ``bench.data.Work``; "peak": the share of the sgemm peak to reach, "seconds": the time itself.
    """

    name: str
    title: str
    family: str
    data: str
    sizes: tuple
    loss: str
    batch: int = 0
    epochs: int = 0
    rows: int = 0
    asked: tuple = ()
    either: bool = False


def _works():
    m2 = (20, 64, 64, 1)
    works = [
        NetworkWork("M1", "digits, batch 32", "train", "digits", (64, 32, 10), "softmax", 32, 20,
                    asked=((0.4, "best"), (1 / 15, "torch"))),
        NetworkWork("M2", "batch 128", "train", "smooth", m2, "squared", 128, 5,
                    asked=((0.5, "best"), (1 / 5, "torch"))),
        NetworkWork("M3", "batch 200", "train", "centres", (784, 256, 128, 10), "softmax", 200, 2,
                    asked=((0.75, "best"),)),
        NetworkWork("M4", "batch 512", "train", "centres", (784, 1024, 1024, 10), "softmax", 512, 1,
                    asked=((0.85, "best"), (0.85, "peak"))),
        NetworkWork("M5row", "prediction of one row", "predict", "smooth", m2, "squared", rows=1,
                    asked=((15e-6, "seconds"),)),
        NetworkWork("M5", "prediction of a million rows", "predict", "smooth", m2, "squared", rows=1_000_000,
                    asked=((0.8, "best"),)),
    ]  # fmt: skip
    return {work.name: work for work in works}


NETWORKS = _works()


@dataclass
class NetworkProblem:
    """What a rival gets.

    Attributes
    ----------
    X : ndarray of float32 of shape (n, p)
    y : ndarray
        Class numbers (int64, shape (n,)), or float32 of shape (n, 1).
    weights, biases : list of ndarray of float32
        Where training starts, or what predicts.
    batches : ndarray of intp of shape (epochs, n_batches, batch)
    loss : str
    threads : int
    """

    X: np.ndarray
    y: np.ndarray
    weights: list
    biases: list
    batches: np.ndarray
    loss: str
    threads: int = 1

    @property
    def sizes(self):
        return (len(self.weights[0]), *(len(b) for b in self.biases))


def _data(name, quick):
    rng = np.random.default_rng(0)
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        return (X / 16).astype(np.float32), y.astype(np.int64)
    if name == "smooth":
        X = rng.standard_normal((5_000 if quick else 50_000, 20), dtype=np.float32)
        y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(len(X))
        return X, y.astype(np.float32)[:, None]
    n = 3_000 if quick else 60_000
    centres, y = rng.random((10, 784), dtype=np.float32), rng.integers(0, 10, n)
    X = 0.35 * centres[y] + 0.65 * rng.random((n, 784), dtype=np.float32)
    flipped = rng.random(n) < 0.1
    return X, np.where(flipped, rng.integers(0, 10, n), y)


def network_problem(work, *, quick=False, threads=1):
    """Data, first weights and batches of a workload, the same in every process."""
    X, y = _data(work.data, quick)
    rng = np.random.default_rng(1)
    weights = [
        rng.uniform(-1, 1, (a, b)).astype(np.float32) * np.float32(np.sqrt(6 / (a + b)))
        for a, b in zip(work.sizes[:-1], work.sizes[1:], strict=True)
    ]
    biases = [np.zeros(b, np.float32) for b in work.sizes[1:]]
    batches = np.zeros((0, 0, 0), np.intp)
    if work.family == "predict":
        X = np.resize(X, (min(work.rows, 20_000) if quick else work.rows, X.shape[1]))
    else:
        n = len(X) // work.batch * work.batch
        epochs = 1 if quick else work.epochs
        batches = np.array([rng.permutation(len(X))[:n].reshape(-1, work.batch) for _ in range(epochs)])
    return NetworkProblem(X, y, weights, biases, batches, work.loss, threads)


def flops(work, task):
    """Of all matrix products: three a layer, two for the first; prediction: one."""
    macs = [a * b for a, b in zip(work.sizes[:-1], work.sizes[1:], strict=True)]
    if work.family == "predict":
        return 2.0 * len(task.X) * sum(macs)
    return 2.0 * task.batches.size * (3 * sum(macs) - macs[0])


# ---------------------------------------------------------------------------------------------------------
# the judge


def _forward(X, weights, biases):
    outputs = [X]
    for k, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = outputs[-1] @ W + b
        outputs.append(np.maximum(z, 0) if k < len(weights) - 1 else z)
    return outputs


def _loss(raw, y, loss):
    """Mean loss, and its gradient in the raw predictions."""
    if loss == "squared":
        return 0.5 * np.mean((raw - y) ** 2), (raw - y) / len(y)
    shifted = raw - raw.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    value = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y])
    p[rows, y] -= 1
    return value, p / len(y)


def plain_predict(task):
    """Predictions in float64."""
    parts = np.array_split(np.asarray(task.X, np.float64), max(1, len(task.X) // 10_000))
    return np.concatenate([_forward(part, task.weights, task.biases)[-1] for part in parts])


def final_loss(task, weights, biases):
    """Mean loss on all rows, in float64."""
    weights, biases = ([np.asarray(a, np.float64) for a in arrays] for arrays in (weights, biases))
    parts = np.array_split(np.arange(len(task.X)), max(1, len(task.X) // 10_000))
    total = sum(
        _loss(_forward(task.X[p].astype(np.float64), weights, biases)[-1], task.y[p], task.loss)[0] * len(p)
        for p in parts
    )
    return float(total / len(task.X))


def plain_train(task):
    """Weights and biases after all batches: NumPy, float64."""
    weights, biases = ([np.array(a, np.float64) for a in arrays] for arrays in (task.weights, task.biases))
    parameters = weights + biases
    m, v = ([np.zeros_like(a) for a in parameters] for _ in range(2))
    for t, rows in enumerate(task.batches.reshape(-1, task.batches.shape[-1]), start=1):
        outputs = _forward(task.X[rows].astype(np.float64), weights, biases)
        delta = _loss(outputs[-1], task.y[rows], task.loss)[1]
        gW, gb = [], []
        for k in range(len(weights) - 1, -1, -1):
            gW.insert(0, outputs[k].T @ delta)
            gb.insert(0, delta.sum(axis=0))
            if k:
                delta = delta @ weights[k].T * (outputs[k] > 0)
        rate = RATE * np.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
        for a, g, mk, vk in zip(parameters, gW + gb, m, v, strict=True):
            mk += (1 - BETAS[0]) * (g - mk)
            vk += (1 - BETAS[1]) * (g * g - vk)
            a -= rate * mk / (np.sqrt(vk) + EPSILON)
    return weights, biases


def reference(work, task, cache, quick):
    """What the judge compares with: (loss at the start, loss of the plain training); kept in the cache."""
    if work.family == "predict":
        return None
    file = Path(cache) / f"{work.name}{'-quick' if quick else ''}-loss.json"
    if not file.exists():
        file.write_text(json.dumps([final_loss(task, task.weights, task.biases), final_loss(task, *plain_train(task))]))
    return json.loads(file.read_text())


def judge(work, task, answer, losses):
    """Verdict with "gap": distance from the plain result in units of what is let through; up to 1 counts."""
    if work.family == "predict":
        plain = plain_predict(task)
        error = float(np.abs(np.reshape(answer, plain.shape) - plain).max() / np.abs(plain).max())
        return {"gap": error / 1e-4}
    loss = final_loss(task, *answer)
    return {"loss": loss, "gap": abs(loss - losses[1]) / (NOISE[0] * losses[1] + NOISE[1] * losses[0])}


def solve(request, say):
    """One rival on one workload, in this process: first a fit that may compile, then the judged and timed ones."""
    from bench import machine
    from bench.rivals import load_rivals
    from bench.worker import repeat

    rival = next(r for r in load_rivals(modules=[request["module"]])[0] if r.name == request["rival"])
    work = NETWORKS[request["work"]]
    task = network_problem(work, quick=request["quick"], threads=request["threads"])
    make, beside = rival.functions[work.family], rival.functions.get("beside")
    ratios = []

    def timed(*_):
        """What is set up before the clock starts is what a user has at hand: a model with the weights."""
        if beside is None:
            return make(task)
        # in turn, each first as often as the other
        other = beside(task)[0] if len(ratios) % 2 else None
        seconds, answer = make(task)
        ratios.append(seconds / (other or beside(task)[0]))
        return seconds, answer

    before = machine.reset_peak()
    compiling, _ = timed()
    say("warm", seconds=compiling)
    if before is not None:
        say("memory", above_x=machine.peak() - before)
    seconds, answer = timed()
    verdict = judge(work, task, answer, request["reference"])
    say("attempt", tol=None, seconds=seconds, verdict=verdict)
    if not verdict["gap"] <= 1:
        return
    if work.family == "predict":
        seconds = min(seconds, timed()[0])
    found = repeat(timed, seconds, min(request["limit"] * 0.6, 60.0), request["patience"])
    while beside is not None and len(ratios) < PAIRS:
        timed()
    if ratios:
        found["beside"] = statistics.median(ratios[1:])  # the first one compiles
    say("level", level=1.0, tol=None, verdict=verdict, **found)


if __name__ == "__main__":
    from bench.worker import serve

    serve(solve, *sys.argv[1:])
