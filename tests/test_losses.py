"""Losses and the vector mathematics under them: derivatives, conjugates, plain twins, the ends of the scale."""

import pickle

import numpy as np
import pytest
from levels import lower_levels, passes_at_level
from scipy import special

from fastreg import losses
from fastreg.losses import (
    Absolute,
    Gamma,
    Huber,
    Logistic,
    Poisson,
    Quantile,
    Softmax,
    Squared,
    Tweedie,
    get_loss,
    vector_function,
)

EXACT = np.longdouble
REFERENCES = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "erf": lambda x: special.erf(x.astype(np.float64)),
    "sigmoid": lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))),
}
float_types = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def arguments(dtype):
    """Of every size and sign, the ends of the scale among them; an odd number, so that a part of a vector is left."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    sizes = 10.0 ** rng.uniform(np.log10(info.tiny) - 4, np.log10(info.max), 20000)
    moderate = np.concatenate([rng.normal(0, s, 20000) for s in (0.01, 1, 10, 100)])
    ends = [0, info.tiny, info.smallest_subnormal, info.eps, 1, 1 - info.eps, info.max, np.inf, 709.7, 88.7, 745.1, 104]
    x = np.concatenate([sizes, ends, moderate]).astype(dtype)
    return np.concatenate([x, -x, [np.nan]]).astype(dtype)


@float_types
@pytest.mark.parametrize("name", REFERENCES)
def test_vector_functions(name, dtype):
    """Within 4 units in the last place of the exact value, which extended precision has where the processor has it."""
    x = arguments(dtype)
    if name.startswith("log"):
        x = x[~(x < (-1 if name == "log1p" else 0))]
        assert np.isnan(vector_function(name, np.array([-2.0, -np.inf], dtype=dtype))).all()
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(EXACT))
        got = vector_function(name, x)
        rounded = exact.astype(dtype)
        spacing = np.spacing(np.abs(rounded))
        off = np.abs(got.astype(EXACT) - exact) / spacing
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    finite = np.isfinite(rounded)
    assert off[finite].max() < 4, x[finite][np.argmax(off[finite])]
    infinite = np.isinf(rounded)
    np.testing.assert_array_equal(got[infinite], rounded[infinite])


def test_vector_functions_take_any_length():
    x = np.random.default_rng(0).standard_normal(40)
    for n in range(40):
        np.testing.assert_array_equal(vector_function("exp", x[:n]), vector_function("exp", x)[:n])


def tweedie(power):
    def value(r, y):
        constant = y ** (2 - power) if power < 2 else y ** (2.0 - power)
        if power == 0:
            constant = np.maximum(y, 0) ** 2
        a, b = 2 - power, 1 - power
        return np.exp(a * r) / a - y * np.exp(b * r) / b + constant / (a * b)

    return value


# loss, what its targets are, the plain twin
CASES = {
    "squared": (Squared(), "real", lambda r, y: (y - r) ** 2 / 2),
    "absolute": (Absolute(), "real", lambda r, y: np.abs(y - r)),
    "huber": (
        Huber(0.7),
        "real",
        lambda r, y: np.where(np.abs(y - r) < 0.7, (y - r) ** 2 / 2, 0.7 * np.abs(y - r) - 0.245),
    ),
    "quantile": (Quantile(0.8), "real", lambda r, y: np.maximum(0.8 * (y - r), 0.2 * (r - y))),
    "poisson": (Poisson(), "count", lambda r, y: np.exp(r) - y * r + special.xlogy(y, y) - y),
    "gamma": (Gamma(), "positive", lambda r, y: r + y * np.exp(-r) - np.log(y) - 1),
    "tweedie": (Tweedie(1.5), "count", tweedie(1.5)),
    "tweedie 3": (Tweedie(3), "positive", tweedie(3)),
    "tweedie 0": (Tweedie(0), "count", tweedie(0)),
    "logistic": (Logistic(), "label", lambda r, y: np.logaddexp(0, r) - y * r),
    "softmax": (
        Softmax(),
        "class",
        lambda r, y: special.logsumexp(r, axis=1) - np.take_along_axis(r, y.astype(int)[:, None], 1)[:, 0],
    ),
}
every_loss = pytest.mark.parametrize("case", CASES)


def test_every_loss_is_in_the_table():
    assert {type(loss) for loss, *_ in CASES.values()} == set(losses.LOSSES.values())


def data(case, n=301, K=None, seed=0):
    """(loss, raw, y, plain) with raw (n,) or (n, K)."""
    loss, kind, plain = CASES[case]
    rng = np.random.default_rng(seed)
    K = K or (5 if kind == "class" else None)
    shape = n if K is None else (n, K)
    y = {
        "real": lambda: rng.standard_normal(shape),
        "count": lambda: rng.poisson(2, shape).astype(float),
        "positive": lambda: rng.gamma(2, 1, shape),
        "label": lambda: (rng.random(shape) < 0.4).astype(float),
        "class": lambda: rng.integers(0, K, n).astype(float),
    }[kind]()
    return loss, rng.standard_normal(shape) * 1.5, y, plain


@every_loss
@pytest.mark.parametrize("K", [None, 1, 3, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_plain_twin_and_derivatives(case, K, weighted):
    loss, raw, y, plain = data(case, K=K)
    weight = None
    each = np.ones(len(raw))
    if weighted:
        weight = each = np.random.default_rng(1).integers(0, 4, len(raw)).astype(float)
    value, gradient, curvature = loss(raw, y, weight)
    rows = plain(raw, y)
    rows = rows if rows.ndim == 1 else rows.sum(axis=1)
    assert value == pytest.approx(each @ rows, rel=1e-12)
    # derivatives: by differences of the rows' values and of the first derivatives, one output at a time
    for k in range(1 if raw.ndim == 1 else raw.shape[1]):
        at = np.s_[:] if raw.ndim == 1 else np.s_[:, k]

        h = 1e-4
        up, down = raw.copy(), raw.copy()
        up[at] += h
        down[at] -= h
        change = plain(up, y) - plain(down, y)
        first = (change if change.ndim == 1 else change.sum(axis=1)) / (2 * h)
        second = (loss(up, y)[1][at] - loss(down, y)[1][at]) / (2 * h)
        target = y if case == "softmax" else y[at]
        smooth = np.abs(np.abs(raw[at] - target) - (0.7 if case == "huber" else 0)) > 2 * h
        smooth |= case not in ("absolute", "huber", "quantile")
        np.testing.assert_allclose(gradient[at][smooth], (each * first)[smooth], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(curvature[at][smooth], (each * second)[smooth], rtol=1e-5, atol=1e-6)


@every_loss
def test_weights_are_repetitions(case):
    loss, raw, y, _ = data(case, n=50)
    weight = np.random.default_rng(1).integers(0, 4, 50)
    rows = np.repeat(np.arange(50), weight)
    assert loss(raw, y, weight)[0] == pytest.approx(loss(raw[rows], y[rows])[0], rel=1e-12)


@every_loss
@pytest.mark.parametrize("n", [1, 3, 16, 257, 1000])
def test_float32(case, n):
    """The same loops in float32: equal to a few units in the last place of what float64 makes of the same numbers."""
    loss, raw, y, _ = data(case, n=n)
    raw, y = raw.astype(np.float32), y.astype(np.float32)
    value, gradient, curvature = loss(raw, y)
    assert gradient.dtype == curvature.dtype == np.float32
    exact = loss(raw.astype(float), y.astype(float))
    assert value == pytest.approx(exact[0], rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(curvature, exact[2], rtol=1e-5, atol=1e-5)


@every_loss
@float_types
def test_ends_of_the_scale(case, dtype):
    """No NaN anywhere, and no infinity where the value is finite; a row of weight 0 adds nothing."""
    loss, kind, _ = CASES[case]
    size = 1e20 if dtype == np.float64 else 1e9
    raw = np.array([size, -size, 0.0, 800, -800, 60, -60], dtype=dtype)
    for target in {"real": [0.0, 1.0], "label": [0, 1], "class": [0, 1], "positive": [1e-3, 1]}.get(kind, [0.0, 3.0]):
        r = np.column_stack([raw, -raw, 0 * raw]) if kind == "class" else raw
        y = np.full(len(raw), target, dtype=dtype)
        value, gradient, curvature = loss(r, y)
        assert not np.isnan(value)
        assert not np.isnan(gradient).any()
        assert not np.isnan(curvature).any()
        if kind not in ("count", "positive"):
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
        assert loss(r, y, np.zeros(len(raw)))[0] == 0
        assert not loss(r, y, np.zeros(len(raw)))[1].any()


def test_what_is_fitted_well_keeps_its_digits():
    """Losses and gradients of rows that are right by a margin are small, not 0."""
    value, gradient, _ = Logistic()(np.array([50.0, 700, -50]), np.array([1.0, 1, 0]))
    np.testing.assert_allclose(gradient, [-np.exp(-50), -np.exp(-700), np.exp(-50)], rtol=1e-13)
    assert value == pytest.approx(2 * np.exp(-50), rel=1e-13)


@every_loss
def test_fenchel_young(case):
    """l(r) + l*(u) >= u r, with equality at the gradient; infinite outside of the domain."""
    loss, raw, y, plain = data(case)
    gradient = loss(raw, y)[1]
    at_gradient = loss.conjugate(gradient, y)
    if at_gradient is None:
        assert not loss.convex
        return
    other = data(case, seed=3)[1]
    pairing = [np.sum(gradient * r, axis=1) if r.ndim == 2 else gradient * r for r in (raw, other)]
    np.testing.assert_allclose(plain(raw, y) + at_gradient, pairing[0], rtol=1e-10, atol=1e-10)
    assert (plain(other, y) + at_gradient - pairing[1] >= -1e-10).all()
    if case not in ("squared", "softmax", "tweedie"):  # the domains of others have an end
        assert np.isinf(loss.conjugate(np.where(gradient < 0, -1e3, 1e3), y)).any()


@pytest.mark.parametrize("power", [1.01, 1.5, 1.99])
def test_fenchel_young_far_from_y(power):
    """As after offsets in the hundreds: the equality holds up to the rounding of its terms."""
    loss, raw = Tweedie(power), np.linspace(-300, 300, 61)
    for y in np.full(len(raw), 1e-8), np.full(len(raw), 1.0), np.full(len(raw), 1e8):
        values = np.array([loss(r, t)[0] for r, t in zip(raw[:, None], y[:, None], strict=True)])
        u = loss(raw, y)[1]
        left = values + loss.conjugate(u, y) - u * raw
        assert (np.abs(left) <= 1e-13 * (np.abs(values) + np.abs(u * raw) + y ** (2 - power) / (2 - power))).all()


# in closed form, and the ends of the slopes' domain
CONJUGATES = {
    "squared": (lambda u, y: u * (u / 2 + y), lambda y: (-np.inf, np.inf)),
    "absolute": (lambda u, y: u * y, lambda y: (-1, 1)),
    "huber": (lambda u, y: u * (u / 2 + y), lambda y: (-0.7, 0.7)),
    "quantile": (lambda u, y: u * y, lambda y: (-0.8, 1 - 0.8)),
    "poisson": (lambda u, y: special.xlogy(u + y, u + y) - special.xlogy(y, y) - u, lambda y: (-y, np.inf)),
    "gamma": (lambda u, y: special.xlogy(1 - u, 1 - u) + u * (1 + np.log(y)), lambda y: (-np.inf, 1)),
    "logistic": (lambda u, y: -special.entr(u + y) - special.entr(1 - u - y), lambda y: (-y, 1 - y)),
}


@pytest.mark.parametrize("case", CONJUGATES)
@pytest.mark.parametrize("n", [1, 7, 300])
def test_conjugates_are_scipys(case, n):
    """Up to the ends of the domain; infinite beyond."""
    loss, u, y, _ = data(case, n=n)
    plain, domain = CONJUGATES[case]
    low, high = (np.broadcast_to(end, n).astype(float) for end in domain(y))
    u = np.clip(u, low, high)
    with np.errstate(invalid="ignore"):
        u[::3] = np.where(np.isfinite(low), low, u)[::3]
        u[1::3] = np.where(np.isfinite(high), high, u)[1::3]
    np.testing.assert_allclose(loss.conjugate(u, y), plain(u, y), rtol=1e-13, atol=1e-14)
    for end, way in ((low, -1), (high, 1)):
        some = np.isfinite(end)
        assert np.isinf(loss.conjugate(end + way * 1e-6, y)[some]).all()


@every_loss
def test_null_raw_is_the_best_constant(case):
    loss, _, y, plain = data(case)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    best = loss.null_raw(y, weight)

    def total(shift):
        raw = np.broadcast_to(best, (len(y), np.size(best))) + shift
        return weight @ plain(raw if np.ndim(best) else raw[:, 0], y)

    moves = [1e-3, -1e-3] if not np.ndim(best) else [*(1e-3 * np.eye(len(best))), *(-1e-3 * np.eye(len(best)))]
    assert all(total(move) >= total(0.0) - 1e-12 * len(y) for move in moves)


@pytest.mark.parametrize("spread", [0.5, 300.0])
@every_loss
def test_null_beside_offsets(case, spread):
    """The best constant there as well, where it has a closed form; and no overflow on the way."""
    loss, _, y, plain = data(case)
    if case in ("logistic", "softmax"):
        pytest.skip("no closed form")
    rng = np.random.default_rng(1)
    weight, offset = rng.integers(0, 3, len(y)).astype(float), spread * rng.standard_normal(len(y))
    best = loss.null_beside(offset, y, weight)
    assert np.isfinite(best)
    if spread > 1:
        offset = offset - np.max(offset)  # what is compared is within the reach of exp
        best = loss.null_beside(offset, y, weight)
    with np.errstate(over="ignore"):
        at, *moved = (weight @ plain(offset + best + move, y) for move in (0.0, 1e-3, -1e-3))
    assert all(value >= at - 1e-12 * abs(at) for value in moved)


def test_out_of_reach():
    """Means that only infinite raw predictions have."""
    for loss, expected in ((Poisson(), [1, 0, 0]), (Gamma(), [1, 0, 0]), (Logistic(), [1, 0, 1]), (Huber(), [0, 0, 0])):
        np.testing.assert_array_equal(loss.out_of_reach(np.array([0.0, 0.5, 1.0])), expected)


def test_null_raw_without_end():
    assert Poisson().null_raw(np.zeros(3), np.ones(3)) == -np.inf
    assert Logistic().null_raw(np.ones(3), np.ones(3)) == np.inf


@every_loss
def test_predict(case):
    """Inverse links, in the float type of raw, at the ends too."""
    loss, raw, _, _ = data(case)
    link = {"exp": np.exp, "logistic": special.expit, "softmax": lambda r: special.softmax(r, axis=1)}
    expected = link.get(case, link["exp"] if isinstance(loss, losses.LogLink) else np.array)(raw)
    before = raw.copy()
    np.testing.assert_allclose(loss.predict(raw), expected, rtol=1e-13)
    np.testing.assert_array_equal(raw, before)
    assert loss.predict(raw.astype(np.float32)).dtype == np.float32
    assert not np.isnan(loss.predict(np.array([[1e20, -1e20, 0]]))).any()


@every_loss
def test_lipschitz(case):
    loss, raw, y, _ = data(case)
    assert loss(raw, y)[2].max() <= loss.lipschitz
    if loss.convex:
        assert loss(raw, y)[2].min() >= 0


@every_loss
def test_pickle_and_names(case):
    loss, raw, y, _ = data(case)
    assert pickle.loads(pickle.dumps(loss))(raw, y)[0] == loss(raw, y)[0]
    assert get_loss(loss) is loss
    assert type(get_loss(loss.name)) is type(loss)


@pytest.mark.parametrize(
    ("loss", "y"),
    [("poisson", [-1, 2]), ("gamma", [0, 1]), ("logistic", [0, 2]), ("softmax", [0, 0.5]), ("tweedie", [-1, 1])],
)
def test_invalid_targets(loss, y):
    with pytest.raises(ValueError, match="y is between"):
        get_loss(loss).valid(np.array(y, dtype=float))
    get_loss(loss).valid(np.ones(3))


def test_invalid_parameters():
    with pytest.raises(ValueError, match="epsilon"):
        Huber(0)
    with pytest.raises(ValueError, match="q must"):
        Quantile(1)
    with pytest.raises(ValueError, match="power"):
        Tweedie(0.5)
    with pytest.raises(ValueError, match="loss must be"):
        get_loss("hinge")


@lower_levels
def test_at_lower_instruction_set_levels(limit):
    """All of the above in a process that is held to a lower level."""
    passes_at_level(limit, __file__)


def test_losses_are_values():
    """Equal where class and parameters are, and their text makes them again."""
    assert get_loss("huber") == Huber(1.35) != Huber(2.0)
    assert Quantile(0.5) != Huber(0.5)
    assert repr(Quantile(0.9)) == "Quantile(0.9)"
    assert repr(get_loss("poisson")) == "Poisson()"
    assert len({Huber(2.0), Huber(2.0), Quantile(0.5)}) == 2
