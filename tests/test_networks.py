"""The compiled networks: gradients against finite differences, every optimizer against its plain twin step by step."""

import copy
import os
import pickle
import signal
import time
import tracemalloc

import numpy as np
import pytest
from levels import lower_levels, passes_at_level
from reference_networks import ACTIVATIONS as PLAIN_ACTIVATIONS
from reference_networks import PlainAdam, PlainNetwork, PlainSGD, PlainTrainer
from scipy import sparse
from threadpoolctl import threadpool_limits

from fastreg.networks import SGD, Adam, Network, Trainer
from fastreg.networks.activations import ACTIVATIONS, activate
from fastreg.penalties import L1, L1L2, L2, MCP, Bounds, GroupL1, MaxNorm, NonNegative

LOSSES = ("squared", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie", "logistic", "softmax")
# Widths of 1, of less than a vector, of some vectors and a rest, of more than a strip.
SIZES = [(5, 3), (4, 1), (1, 1), (6, 1, 4), (3, 2, 1, 1, 3), (7, 65, 9, 2), (33, 50, 1), (9, 130, 3)]
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


# ---------------------------------------------------------------------------------------------------------
# activations, predictions, gradients


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    """Values and slopes are the plain ones, on any number of elements; far out they stay finite."""
    z = np.concatenate([np.linspace(-30, 30, 1001), [-1e4, 0, 1e4]]).astype(dtype)
    value, slope = activate(name, z)
    assert value.dtype == slope.dtype == dtype
    tol = 1e-14 if dtype == np.float64 else 3e-6
    inside = np.abs(z) < 500
    plain, plain_slope = (f(z[inside].astype(float)) for f in PLAIN_ACTIVATIONS[name])
    np.testing.assert_allclose(value[inside], plain, rtol=tol, atol=tol)
    np.testing.assert_allclose(slope[inside], plain_slope, rtol=tol, atol=tol)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert np.isnan(activate(name, np.array([np.nan], dtype))[0])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss, activation):
    """Against central differences of the objective, in every weight of the network, with sample weights."""
    net, X, Y, weight = case((3, 4, 2, 3), activation, loss)
    value, gW, gb = net.gradient(X, Y, weight)
    np.testing.assert_allclose(value, net.objective(X, Y, weight), rtol=1e-13)
    for array, gradient in zip(net.weights + net.biases, gW + gb, strict=True):
        numeric = np.empty(array.shape)
        for at in np.ndindex(array.shape):
            kept, side = array[at], []
            for step in (1e-6, -1e-6):
                array[at] = kept + step
                side.append(net.objective(X, Y, weight))
            array[at] = kept
            numeric[at] = (side[0] - side[1]) / 2e-6
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n", [1, 7, 700])
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("sizes", SIZES)
def test_any_shape(sizes, activation, n):
    """Predictions, objective and gradient of the plain twin, whatever the widths; float32 to its rounding."""
    net, X, Y, weight = case(sizes, activation, n=n)
    plain = twin(net)
    np.testing.assert_allclose(net.raw(X), plain.raw(X), rtol=1e-10, atol=1e-12)
    expected = plain.gradient(X, Y, weight)
    single = Network(net.sizes, net.activations, net.loss, np.float32)
    single.__setstate__((net.weights, net.biases))
    for found, tol in ((net.gradient(X, Y, weight), 1e-10), (single.gradient(X, Y, weight), 1e-4)):
        np.testing.assert_allclose(found[0], expected[0], rtol=tol)
        for mine, theirs in zip(found[1] + found[2], expected[1] + expected[2], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=tol, atol=tol * np.abs(theirs).max())
    assert single.raw(X).dtype == np.float32
    np.testing.assert_allclose(single.raw(X.astype(np.float32)), plain.raw(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("sizes", [(40, 9, 2), (40, 1), (40, 150, 3), (1, 3, 1)])
def test_sparse_is_dense(sizes, index):
    """CSR, float32 or float64, with either index, empty rows and unsorted indices: as the dense array."""
    rng = np.random.default_rng(3)
    net, X, Y, weight = case(sizes, n=60)
    X[rng.random(X.shape) < 0.8] = 0
    X[7] = 0
    S = sparse.csr_array(X)
    S.indices, S.indptr = S.indices.astype(index), S.indptr.astype(index)
    for row in range(0, 60, 2):  # every other row backwards
        part = slice(S.indptr[row], S.indptr[row + 1])
        S.indices[part], S.data[part] = S.indices[part][::-1].copy(), S.data[part][::-1].copy()
    np.testing.assert_allclose(net.raw(S), net.raw(X), rtol=1e-12, atol=1e-13)
    for mine, theirs in zip(net.gradient(S, Y, weight), net.gradient(X, Y, weight), strict=True):
        for a, b in (
            zip(np.atleast_1d(mine), np.atleast_1d(theirs), strict=True)
            if np.isscalar(mine)
            else zip(mine, theirs, strict=True)
        ):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    other = copy.deepcopy(net)
    order = rng.permutation(60)
    losses = [
        Trainer(it, Adam(), [L1(0.01)] * (len(sizes) - 1)).epoch(data, Y, weight, order, 16, 0.01)
        for it, data in ((net, S), (other, X))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-10)
    np.testing.assert_allclose(parameters(net), parameters(other), rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------
# training


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


LAYOUTS = {
    "fortran": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "part of the columns": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
}
NUMBERS = ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "f", "d"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_and_strides_of_x(number, layout):
    """Training, gradients and predictions are the same bits from any array that holds the same numbers."""
    found = []
    for change in (lambda X: X.astype(np.float64), lambda X: LAYOUTS[layout](X.astype(number))):
        net, X, Y, weight = case((17, 12, 3), n=90)
        X = change(np.abs(np.round(3 * X)) % 2 if number == "?" else np.abs(np.round(3 * X)))
        losses = train(net, X, Y, weight, optimizer=Adam(), batch_size=32, lr=1e-3)
        value, gW, _ = net.gradient(X, Y, weight)
        found.append((losses, parameters(net), net.raw(X), value, gW[0]))
    for plain, other in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, other)


def test_x_is_not_copied_whole():
    """Integers, and columns one after the other: what training takes does not grow with the rows."""
    net = Network((500, 4, 1), ["relu"], "squared", np.float32)
    for X in (np.zeros((40_000, 500), np.uint8), np.zeros((500, 40_000), np.float32).T):
        trainer, Y = Trainer(net, SGD()), np.zeros((len(X), 1), np.float32)
        tracemalloc.start()
        trainer.epoch(X, Y, None, np.arange(len(X)), 100, 1e-3)
        net.gradient(X, Y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6_000_000  # X: 20 and 80 MB


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_bits_do_not_depend_on_threads(storage, activation):
    """Losses, weights and predictions are the same bits on one thread and on two."""
    found = []
    for n_threads in (1, 2):
        net, X, Y, weight = case((300, 400, 90, 10), activation, "softmax", n=1200, dtype=np.float32)
        X[:, ::2] *= X[:, ::2] > 0.5
        options = {"penalties": [L1(1e-3)] * 3, "dropout": [0.2, 0.0], "activity": [None, (1e-3, 0.0)]}
        with threadpool_limits(n_threads):
            losses = train(net, storage(X), Y, weight, optimizer=Adam(), batch_size=400, lr=1e-3, **options)
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


# ---------------------------------------------------------------------------------------------------------
# what goes wrong


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network((3,), [], "squared"), "sizes must be"),
        (lambda: Network((3, 0, 1), ["relu"], "squared"), "sizes must be"),
        (lambda: Network((3, 2, 1), [], "squared"), "activations must be one for each of the 1 hidden"),
        (lambda: Network((3, 2, 1), ["sigmoid"], "squared"), "activation must be one of identity, logistic"),
        (lambda: Network((3, 1), [], "squared", np.int32), "dtype must be"),
        (lambda: SGD(1.1), "momentum must be"),
        (lambda: Adam(beta_2=1.0), "beta_2 must be"),
        (lambda: Adam(epsilon=0), "epsilon must be"),
        (lambda: Trainer(Network((3, 1), [], "squared"), SGD(), [None, None]), "penalties must have 1 entries"),
        (lambda: Trainer(Network((3, 2, 1), ["relu"], "squared"), SGD(), dropout=[1.0]), "dropout must be in"),
        (lambda: Network((3, 1), [], "squared").raw(np.zeros((2, 4))), "X must have 3 column"),
        (lambda: Network((3, 2), [], "squared").objective(np.zeros((2, 3)), np.zeros(2)), "Y must have 2 column"),
        (lambda: Network((3, 2), [], "softmax").objective(np.zeros((2, 3)), np.zeros((2, 2))), "Y must have 1 column"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@lower_levels
def test_at_lower_instruction_set_levels(limit):
    """Shapes, storages and optimizers in a process that is held to a lower level."""
    passes_at_level(limit, __file__, "-k", "activations or shape or sparse or step_by_step or threads or dropout")
