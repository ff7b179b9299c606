"""The compiled networks: activations, predictions and gradients, of any shape and storage."""

import copy
import tracemalloc

import numpy as np
import pytest
from levels import lower_levels, passes_at_level
from network_cases import LOSSES, SIZES, case, parameters, train, twin
from reference_networks import ACTIVATIONS as PLAIN_ACTIVATIONS
from scipy import sparse

from fastreg.networks import SGD, Adam, Network, Trainer
from fastreg.networks.activations import ACTIVATIONS, activate
from fastreg.penalties import L1


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
    """Shapes and storages in a process that is held to a lower level."""
    passes_at_level(limit, __file__, "-k", "activations or shape or sparse")
