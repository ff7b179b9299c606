"""The compiled training of networks: every optimizer against its plain twin step by step, threads, Ctrl-C."""

import copy
import os
import pickle
import signal
import time

import numpy as np
import pytest
from levels import lower_levels, passes_at_level
from network_cases import case, parameters, train, twin
from reference_networks import PlainAdam, PlainSGD
from scipy import sparse
from threadpoolctl import threadpool_limits

from fastreg.networks import SGD, Adam, Network, Trainer
from fastreg.penalties import L1, L1L2, L2, MCP, Bounds, ExpAbs, GroupL1, MaxNorm, NonNegative

OPTIMIZERS = {
    "sgd": (SGD(), PlainSGD(0.0, False)),
    "momentum": (SGD(0.9), PlainSGD(0.9, False)),
    "nesterov": (SGD(0.8, True), PlainSGD(0.8, True)),
    "adam": (Adam(), PlainAdam()),
    "adam with other numbers": (Adam(0.5, 0.9, 1e-3), PlainAdam(0.5, 0.9, 1e-3)),
}
PENALTIES = {
    "none": [None, None, None],
    "l1": [L1(0.2), L1(0.1), None],
    "l1 + l2, l2": [L1L2(0.4, 0.5), L2(0.3), L1L2(0.02, 0.9)],
    "apart": [GroupL1(0.02), MCP(0.03), Bounds(-0.3, 0.4)],
}


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_step_by_step(optimizer, penalties):
    """Losses and weights of the plain twin, with a prox fused or apart and a rate for each batch."""
    mine, theirs = OPTIMIZERS[optimizer]
    net, X, Y, weight = case((6, 11, 1, 2), "tanh")
    plain = twin(net)
    options = {"penalties": PENALTIES[penalties], "bias_penalties": [None, L1(0.01), None]}
    found = train(net, X, Y, weight, optimizer=mine, **options)
    expected = train(plain, X, Y, weight, optimizer=theirs, plain=True, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(parameters(net), parameters(plain), rtol=1e-7, atol=1e-10)
    zeros = parameters(plain) == 0
    assert (parameters(net)[zeros] == 0).all()
    if "l1" in penalties:
        assert zeros.any()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    "options",
    [
        {"clip": 0.1},
        {"decoupled_decay": 0.3},
        {"activity": [(0.02, 0.0), (0.0, 0.1)]},
        {"activity": [None, (0.02, 0.1)], "clip": 0.3, "decoupled_decay": 0.1},
    ],
    ids=str,
)
def test_options_step_by_step(options, activation):
    for optimizer in ("nesterov", "adam"):
        mine, theirs = OPTIMIZERS[optimizer]
        net, X, Y, weight = case((6, 11, 5, 2), activation)
        plain = twin(net)
        options = {"penalties": PENALTIES["l1 + l2, l2"], **options}
        found = train(net, X, Y, weight, optimizer=mine, **options)
        expected = train(plain, X, Y, weight, optimizer=theirs, plain=True, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        np.testing.assert_allclose(parameters(net), parameters(plain), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
@pytest.mark.parametrize(
    "penalty",
    [GroupL1(0.01), GroupL1(0.01, by="feature", l1_ratio=0.3), MaxNorm(0.5), MCP(0.01), Bounds(-0.2, 0.1), None],
    ids=str,
)
def test_layers_in_parts(optimizer, penalty):
    """Layers of more weights than a part has, under a prox of its own or a bound on the gradient: the plain twin's."""
    mine, theirs = OPTIMIZERS[optimizer]
    net, X, Y, weight = case((150, 130, 1), "tanh")
    plain = twin(net)
    options = {"penalties": [penalty, penalty], "bias_penalties": [penalty, None], "clip": 0.5, "epochs": 2}
    train(net, X, Y, weight, optimizer=mine, **options)
    train(plain, X, Y, weight, optimizer=theirs, plain=True, **options)
    np.testing.assert_allclose(parameters(net), parameters(plain), rtol=1e-7, atol=1e-10)
    np.testing.assert_array_equal(parameters(net) == 0, parameters(plain) == 0)


def test_a_batch_in_pieces():
    """A batch too large for one piece makes the step of the whole batch; the last batch may be small."""
    net, X, Y, weight = case((4, 5, 2), n=5003)
    plain = twin(net)
    options = {"penalties": [L1(0.01), None], "epochs": 2, "batch_size": 5000}
    found = train(net, X, Y, weight, optimizer=Adam(), **options)
    expected = train(plain, X, Y, weight, optimizer=PlainAdam(), plain=True, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(parameters(net), parameters(plain), rtol=1e-8)


def test_pieces_of_batches_have_room():
    """Where the gradient is needed as a whole, pieces begin anew with each batch: the densest lies across others."""
    net, X, Y, weight = case((40, 3, 2), n=1600)
    X[:700] = X[1212:] = 0
    dense = copy.deepcopy(net)
    for which, data in ((net, sparse.csr_array(X)), (dense, X)):
        trainer = Trainer(which, Adam(), clip=1.0)
        for _ in range(2):
            trainer.epoch(data, Y, weight, np.arange(len(X)), 700, 0.05)
    np.testing.assert_allclose(parameters(net), parameters(dense), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("penalty", [NonNegative(), Bounds(-0.1, 0.7), Bounds(upper=0.3), MaxNorm(0.3)], ids=repr)
def test_constraints_hold_after_every_step(penalty, optimizer, dtype):
    """With Nesterov's momentum too, where the weights are a step ahead; and bounds that float32 rounds."""
    net, X, Y, weight = case((4, 5, 2), dtype=dtype)
    trainer = Trainer(net, OPTIMIZERS[optimizer][0], [penalty] * 2, bias_penalties=[penalty] * 2)
    assert not all(penalty.value(W) == 0 for W in net.weights)
    for _ in range(20):
        trainer.epoch(X, Y, weight, np.arange(len(X)), 23, 0.05)
        assert all(penalty.value(W) == 0 for W in net.weights + net.biases)


def test_float32_follows_float64():
    net, X, Y, weight = case((20, 30, 10), "relu", "softmax", n=400)
    single = Network(net.sizes, net.activations, net.loss, np.float32)
    single.__setstate__((net.weights, net.biases))
    options = {"penalties": [L1L2(1e-3, 0.5)] * 2, "lr": 0.005, "epochs": 5, "batch_size": 32}
    losses = [train(it, X, Y, weight, optimizer=Adam(), **options) for it in (net, single)]
    np.testing.assert_allclose(*losses, rtol=1e-3)


THREADED = {
    "fused": {"penalties": [L1(1e-3)] * 3, "dropout": [0.2, 0.0], "activity": [None, (1e-3, 0.0)]},
    "clipped": {"clip": 0.1, "penalties": [L1(1e-3)] * 3},
    "in pieces": {"batch_size": 2500},
    "apart": {
        "penalties": [GroupL1(1e-4), GroupL1(1e-4, by="feature"), MCP(1e-3)],
        "bias_penalties": [MaxNorm(0.1)] * 3,
    },
    "apart, with velocities": {
        "penalties": [MaxNorm(0.8), ExpAbs(1e-3), Bounds(-0.1, 0.1)],
        "optimizer": SGD(0.9, True),
    },
}


@pytest.mark.parametrize("options", THREADED)
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_bits_do_not_depend_on_threads(storage, options, eager):
    """Losses, weights and predictions are the same bits on one thread and on two."""
    found, options = [], {"optimizer": Adam(), "batch_size": 400, **THREADED[options]}
    for n_threads in (1, 2):
        activation = "gelu" if "dropout" in options else "relu"
        net, X, Y, weight = case((300, 400, 90, 10), activation, "softmax", n=2800, dtype=np.float32)
        X[:, ::2] *= X[:, ::2] > 0.5
        with threadpool_limits(n_threads):
            losses = train(net, storage(X), Y, weight, epochs=2, lr=1e-3, **options)
            value, gW, _ = net.gradient(storage(X), Y, weight)
            found.append((losses, parameters(net), net.raw(storage(X)), value, gW[0]))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_weights_repeat_rows():
    """A weight of 3 is the row three times, for full batches; a weight of 0 is no row."""
    net, X, Y, weight = case((5, 8, 2))
    weight[::4] = 0
    other = copy.deepcopy(net)
    rows = np.repeat(np.arange(len(Y)), weight.astype(int))
    for it, data in ((net, (X, Y, weight)), (other, (X[rows], Y[rows], None))):
        trainer = Trainer(it, SGD(0.9, True), [L1(0.01), L2(0.1)])
        for _ in range(20):
            trainer.epoch(*data, np.arange(len(data[1])), len(data[1]), 0.05)
    np.testing.assert_allclose(parameters(net), parameters(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("penalty", [L1(0.1), L1L2(0.2, 0.5), MCP(0.1), Bounds(-0.2, 0.1)], ids=str)
def test_rest_is_stationary(optimizer, penalty):
    """Where full-batch training comes to rest, minus the gradient is in the subdifferential of the penalty."""
    net, X, Y, _ = case((6, 2), n=80)
    trainer = Trainer(net, OPTIMIZERS[optimizer][0], [penalty])
    for rate in np.repeat([0.05, 0.01, 0.001, 1e-4], 3000):
        trainer.epoch(X, Y, None, np.arange(80), 80, rate)
    (W,), (G,) = net.weights, net.gradient(X, Y)[1]
    assert penalty.violation(np.array(W), np.array(G)).max() < 1e-4
    if isinstance(penalty, L1):
        assert 0 < np.count_nonzero(W) < W.size


def test_dropout():
    """The masks are of the rate asked, scale what is left, are used backward too, and come from the seed alone."""
    n, width, rate = 400, 50, 0.3
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((n, 3)), rng.standard_normal((n, width))
    base, *_ = case((3, width, width), "relu")
    for b in base.biases:
        b[...] = 0
    base.weights[0][...] = 0
    base.biases[0][...] = 1
    base.weights[1][...] = np.eye(width)
    masks, results = [], []
    for seed in (1, 1, 2):
        net = copy.deepcopy(base)
        Trainer(net, SGD(), dropout=[rate]).epoch(X[:1], Y[:1] * 0, None, np.arange(1), 1, 1.0, seed)
        masks.append(-net.biases[1])  # outputs are the mask
        results.append(parameters(net))
    np.testing.assert_array_equal(results[0], results[1])
    assert (masks[0] != masks[2]).any()
    scale = 1 / (1 - rate)
    assert set(np.round(masks[0], 12)) == {0.0, round(scale, 12)}
    # The same step by hand, with these masks.
    net, *_ = case((3, width, width), "relu", seed=4)
    plain = twin(net)
    Trainer(net, SGD(), dropout=[rate]).epoch(X[:1], Y[:1], None, np.arange(1), 1, 0.1, 1)
    _, gW, gb = plain.gradient(X[:1], Y[:1], masks=[masks[0]])
    expected = np.concatenate(
        [np.ravel(a - 0.1 * g) for a, g in zip(plain.weights + plain.biases, gW + gb, strict=True)]
    )
    np.testing.assert_allclose(parameters(net), expected, rtol=1e-10, atol=1e-13)
    # Over many batches, each with a mask of its own: their mean, from biases that add them up at a small rate.
    net = copy.deepcopy(base)
    Trainer(net, SGD(), dropout=[rate]).epoch(X, Y * 0, None, np.arange(n), 1, 1e-9, 3)
    kept = -net.biases[1] / (1e-9 * n * scale)
    assert np.abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / (n * width))
    assert np.abs(kept - (1 - rate)).max() < 5 * np.sqrt(rate * (1 - rate) / n)


def test_state_goes_on():
    """A trainer with another's state takes the other's steps; networks and optimizers survive pickling."""
    net, X, Y, weight = case((5, 7, 2))
    for optimizer in (SGD(0.9), SGD(0.9, True), Adam()):
        trainer = Trainer(net, optimizer, [L1(0.01), None])
        order = np.arange(len(Y))
        trainer.epoch(X, Y, weight, order, 5, 0.01)
        other = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(parameters(other), parameters(net))
        follower = Trainer(other, pickle.loads(pickle.dumps(optimizer)), [L1(0.01), None])
        follower.set_state(pickle.loads(pickle.dumps(trainer.get_state())))
        for it in (trainer, follower):
            it.epoch(X, Y, weight, order[::-1], 5, 0.01)
        np.testing.assert_array_equal(parameters(other), parameters(net))


def test_moments_of_a_dead_neuron_end_at_0():
    """Rounding would stop them at the smallest of all numbers, with which some processors take long."""
    X, Y = np.ones((2500, 3), np.float32), np.ones((2500, 2), np.float32)
    net = Network((3, 4, 2), ["relu"], "squared", np.float32)
    trainer, order = Trainer(net, Adam()), np.arange(len(X))
    for w in net.weights:
        w[...] = 0.5
    trainer.epoch(X, Y, None, order[:9], 1, 1e-3)
    assert trainer.get_state()["m0"].all()
    net.biases[0][...] = -9
    trainer.epoch(X, Y, None, order, 1, 0.0)
    assert not trainer.get_state()["m0"].any()
    # what others compute is as before
    assert np.float32(1e-40) * np.float32(0.5) > 0
    net.raw(X)
    net.gradient(X, Y)
    assert np.float32(1e-40) * np.float32(0.5) > 0


def keep_going(trainer, kept, *epoch):
    """Some epochs; what the parameters were before each goes to ``kept``."""
    for _ in range(5):
        kept.append(parameters(trainer.net))
        trainer.epoch(*epoch)


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
def test_divergence_keeps_the_last_epoch(optimizer):
    """A loss that is not finite, in the middle or by the last step: an error, the weights from before."""
    for batch_size in (4, 23):
        net, X, Y, _ = case((5, 7, 2), "relu")
        trainer, order = Trainer(net, OPTIMIZERS[optimizer][0]), np.arange(len(Y))
        trainer.epoch(X, Y, None, order, batch_size, 0.01)
        start = copy.deepcopy(net).__reduce__()[2]
        kept = []
        with pytest.raises(FloatingPointError, match="learning rate of 1e.200"):
            keep_going(trainer, kept, X, Y, None, order, batch_size, 1e200)
        np.testing.assert_array_equal(parameters(net), kept[-1])
        assert all((state == 0).all() for state in trainer.get_state().values())
        net.__setstate__(start)
        assert np.isfinite(trainer.epoch(X, Y, None, order, batch_size, 0.01))
        X[3], before = np.nan, parameters(net)
        with pytest.raises(FloatingPointError, match="not finite"):
            trainer.epoch(X, Y, None, order, batch_size, 0.01)
        np.testing.assert_array_equal(parameters(net), before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
@pytest.mark.parametrize("sizes", [(50, 40, 2), (600, 700, 5)], ids=["serial", "parallel"])
def test_ctrl_c_keeps_the_last_epoch(sizes):
    """KeyboardInterrupt soon after the signal, with the weights from before the epoch."""
    net, X, Y, _ = case(sizes, n=20_000)
    trainer, order = Trainer(net, Adam()), np.arange(len(Y))
    trainer.epoch(X, Y, None, order[:500], 50, 1e-3)
    before, forever = parameters(net), np.resize(order, 10**8 // sizes[1])
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    alarm = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            trainer.epoch(X, Y, None, forever, 50, 1e-3)
        assert time.perf_counter() - start < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, old)
    np.testing.assert_array_equal(parameters(net), before)
    assert np.isfinite(trainer.epoch(X, Y, None, order[:500], 50, 1e-3))


@lower_levels
def test_at_lower_instruction_set_levels(limit):
    """Optimizers in a process that is held to a lower level."""
    passes_at_level(limit, __file__, "-k", "step_by_step or threads or dropout")
