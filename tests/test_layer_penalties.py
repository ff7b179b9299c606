"""Laws of penalties on a layer: the prox is a minimum in each diagonal metric and agrees with the subdifferential."""

import copy
import pickle

import numpy as np
import pytest
from cases import PENALTIES

from fastreg.penalties import (
    L1,
    L1L2,
    L2,
    MCP,
    SCAD,
    Bounds,
    ExpAbs,
    GroupL1,
    MaxNorm,
    NonNegative,
    Penalty,
    as_penalty,
)
from fastreg.penalties.penalty import Separable

every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
SHAPES = [(5, 7), (1, 3), (40, 33), (4,)]
FOLDED = (MCP, SCAD)
CONVEX = [penalty for penalty in PENALTIES if not isinstance(penalty, FOLDED)]


def layers(seed=0):
    """Weights of several shapes and sizes, zero blocks among them."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        for size in (0.01, 0.3, 1.0, 10.0):
            V = size * rng.standard_normal(shape)
            V[..., 0] = 0
            V[0] *= rng.integers(0, 2)
            yield V, rng


def steps(shape, rng):
    """One step for all, and one a weight, as uneven as Adam's."""
    yield 0.7
    yield 10.0 ** rng.uniform(-3, 1, shape)


def objective(penalty, W, V, step):
    return penalty.value(W) + np.sum((W - V) ** 2 / (2 * step))


def test_every_penalty_is_in_the_table():
    def leaves(cls):
        below = [leaf for sub in cls.__subclasses__() for leaf in leaves(sub)]
        return below + ([cls] if cls.names or not below else [])

    assert set(leaves(Penalty)) <= {type(penalty) for penalty in PENALTIES}


@pytest.mark.parametrize("penalty", CONVEX, ids=repr)
def test_three_point_inequality(penalty):
    """Convexity: any other point is worse than the prox by at least its squared distance."""
    for V, rng in layers():
        for step in steps(V.shape, rng):
            W = penalty.prox(V, step)
            best = objective(penalty, W, V, step)
            assert np.isfinite(best)
            for U in others(penalty, W, V, rng):
                worse = objective(penalty, U, V, step) - best
                assert worse >= np.sum((U - W) ** 2 / (2 * step)) - 1e-9 * (1 + abs(best))


def others(penalty, W, V, rng):
    """Points to compare a prox with, made feasible by a prox: on the segments to 0 and to V, and around."""
    for t in (-0.5, -1e-3, 1e-3, 0.5):
        yield penalty.prox(W + t * W, 1e-12)
        yield penalty.prox(W + t * (V - W), 1e-12)
        yield penalty.prox(W + t * rng.standard_normal(W.shape), 1e-12)


@pytest.mark.parametrize("penalty", [p for p in PENALTIES if isinstance(p, Separable)], ids=repr)
@pytest.mark.parametrize("step", [0.01, 0.7, 2.4, 4.0])
def test_prox_against_a_fine_grid(penalty, step):
    """No point of a grid is better; for MCP and SCAD with steps so long that the problem is not convex, too."""
    grid = np.linspace(-6, 6, 6001)
    charge = np.array([penalty.value(u[None]) for u in grid])
    for v in np.linspace(-5, 5, 61):
        w = penalty.prox(np.array([v]), step)
        best = objective(penalty, w, v, step)
        assert best <= (charge + (grid - v) ** 2 / (2 * step)).min() + 1e-12


@every_penalty
def test_prox_and_violation_agree(penalty):
    """(V - prox) / step is in the subdifferential at the prox, so the violation there is 0; elsewhere it is not."""
    for V, rng in layers():
        for step in steps(V.shape, rng):
            W = penalty.prox(V, step)
            if not isinstance(penalty, FOLDED) or np.max(step) < 2.5:
                violation = penalty.violation(W, (W - V) / step)
                np.testing.assert_allclose(violation * step, 0, atol=1e-9 * (1 + np.abs(V).max()))
            G = rng.standard_normal(V.shape)
            moved = np.abs(penalty.prox(W - 1e-3 * G, 1e-3) - W) > 1e-9
            assert (penalty.violation(W, G)[moved] > 0).all()
            if penalty in CONVEX and isinstance(penalty, Separable):
                assert (moved | (penalty.violation(W, G) < 1e-5)).all()


@every_penalty
def test_equal_steps_are_one_step(penalty):
    for V, _ in layers():
        np.testing.assert_allclose(penalty.prox(V, np.full(V.shape, 0.3)), penalty.prox(V, 0.3), rtol=1e-12, atol=1e-15)


@every_penalty
def test_float32_is_float64_rounded(penalty):
    for V, rng in layers():
        for step in steps(V.shape, rng):
            V32, step32 = V.astype(np.float32), np.float32(step)
            W = penalty.prox(V32, step32 if np.ndim(step) else step)
            assert W.dtype == np.float32
            exact = penalty.prox(V32.astype(float), step32.astype(float) if np.ndim(step) else step)
            np.testing.assert_allclose(W, exact, rtol=1e-6, atol=1e-7 * np.abs(V).max())


@every_penalty
@every_dtype
def test_extremes(penalty, dtype):
    """Zeros, tiny and huge weights and steps: finite, no sign is changed, and nothing grows."""
    V = np.array([[0.0, 1e-30, -1e-30, 1e15], [-1e15, 1.0, 0.0, 0.0]], dtype=dtype)
    for step in (1e-12, 1e12, np.array([[1e-12, 1e12, 1.0, 1e-8], [1e8, 1e-12, 1e12, 1.0]], dtype=dtype)):
        W = penalty.prox(V, step)
        assert np.isfinite(W).all()
        assert (W * V >= 0).all()
        assert (np.abs(W) <= np.abs(V)).all()


@every_penalty
def test_a_penalty_is_a_value(penalty):
    """Pickle, deepcopy and eval(repr) give an equal one; the input of prox stays as it is."""
    for twin in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty), eval(repr(penalty))):
        assert twin == penalty
        assert hash(twin) == hash(penalty)
    assert penalty != L1(0.123)
    V = np.ones((3, 2))
    V.flags.writeable = False
    penalty.prox(V, 0.5)
    np.testing.assert_array_equal(V, 1)


@every_penalty
def test_scaled(penalty):
    """Twice the penalty is twice its value, or the same set; of MCP and SCAD alpha is what is scaled."""
    W = penalty.prox(np.random.default_rng(0).standard_normal((6, 5)), 0.5)
    twice = penalty.scaled(2.0)
    folded = isinstance(penalty, FOLDED)
    expected = type(penalty)(0.6, penalty.args[1]).value(W) if folded else 2 * penalty.value(W)
    assert twice.value(W) == pytest.approx(expected)
    assert type(twice) is type(penalty)
    assert penalty.scaled(1.0) == penalty


@pytest.mark.parametrize("penalty", [GroupL1(0.4), GroupL1(0.4, by="feature")], ids=repr)
def test_groups_vanish_whole(penalty):
    V = np.random.default_rng(0).standard_normal((6, 40)) * np.linspace(0.1, 3, 40)
    V = V if penalty.args[1] == "neuron" else V.T.copy()
    for step in (0.7, np.random.default_rng(1).uniform(0.3, 1, V.shape)):
        zero = penalty.prox(V, step) == 0
        blocks = zero if penalty.args[1] == "neuron" else zero.T
        assert (blocks.all(axis=0) == blocks.any(axis=0)).all()
        assert 0 < blocks.all(axis=0).sum() < 40


def test_strings_of_keras():
    W = np.random.default_rng(0).standard_normal((6, 5))
    assert as_penalty("l1", 0.2) == L1(0.2)
    assert as_penalty("l2", 0.2) == L2(0.2)
    for name in ("l1_l2", "L1L2"):
        assert as_penalty(name, 0.2).value(W) == pytest.approx(L1(0.2).value(W) + L2(0.2).value(W))
    assert as_penalty(None) is None
    with pytest.raises(ValueError, match=r"'l0'.*l1_l2"):
        as_penalty("l0", 0.2)
    with pytest.raises(TypeError, match="L1"):
        as_penalty(0.2)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: L1(-1), "alpha"),
        (lambda: L2(np.nan), "alpha"),
        (lambda: L1L2(np.inf), "alpha"),
        (lambda: L1L2(1.0, 1.5), "l1_ratio"),
        (lambda: Bounds(0.1, 1), "lower"),
        (lambda: Bounds(np.nan, 1), "lower"),
        (lambda: MCP(1.0, 1.0), "gamma"),
        (lambda: SCAD(1.0, 2.0), "gamma"),
        (lambda: GroupL1(1.0, l1_ratio=2), "l1_ratio"),
        (lambda: ExpAbs("much"), "alpha"),
        (lambda: GroupL1(1.0, by="row"), "by"),
        (lambda: MaxNorm(-1), "limit"),
        (lambda: NonNegative().scaled(2) and L1(None), "alpha"),
    ],
)
def test_bad_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()
