"""Laws of the penalties on the features of linear models: folded, of groups, sorted."""

import copy
import pickle

import numpy as np
import pytest

from fastreg.penalties import MCP, SCAD, SLOPE, ExpAbs
from fastreg.penalties.featurewise import FeatureSeparable
from fastreg.penalties.groups import FeatureGroups
from fastreg.penalties.slope import FeatureSorted

P = 24
RNG = np.random.default_rng(0)
FACTOR = RNG.choice([0.0, 0.5, 1.0, 2.0], P)
BOUNDS = {"lower": RNG.choice([-np.inf, -0.4, 0.0], P), "upper": RNG.choice([np.inf, 0.3, 0.0], P)}
SIGNS = np.where(np.arange(P) % 3, -np.inf, 0.0), np.where(np.arange(P) % 4, np.inf, 0.0)
LABELS = RNG.permutation(np.repeat(np.arange(7), [1, 2, 3, 4, 4, 4, 6]))
PER_GROUP = np.array([1.0, 0.0, 2.0, 1.0, 0.5, 1.0, 1.0])[LABELS]
SEPARABLE = {
    f"{penalty!r} {extras}": FeatureSeparable(penalty, P, factor, **bounds)
    for penalty in (MCP(1.0, 2.5), SCAD(1.0, 3.5), ExpAbs(1.0))
    for extras, factor, bounds in (("", None, {}), ("factors", FACTOR, {}), ("bounds", FACTOR, BOUNDS))
}
BLOCKS = {
    "groups": FeatureGroups(LABELS),
    "groups with factors": FeatureGroups(LABELS, 0.0, PER_GROUP),
    "sparse groups": FeatureGroups(LABELS, 0.3, PER_GROUP),
    "lasso as groups": FeatureGroups(LABELS, 1.0),
    "groups with bounds": FeatureGroups(LABELS, 0.0, PER_GROUP, **BOUNDS),
    "sparse groups with bounds": FeatureGroups(LABELS, 0.3, PER_GROUP, **BOUNDS),
    "groups not negative": FeatureGroups(LABELS, 0.0, None, np.zeros(P)),
    "sorted": FeatureSorted(SLOPE(1.0, 0.3).weights(P)),
    "sorted with signs": FeatureSorted(SLOPE(1.0, 0.3).weights(P), *SIGNS),
}
EVERY = SEPARABLE | BLOCKS
every = pytest.mark.parametrize("name", EVERY)
CONVEX = [name for name in EVERY if "MCP" not in name and "SCAD" not in name]


def points(n=20):
    rng = np.random.default_rng(1)
    for size in (0.1, 0.5, 1.0, 3.0):
        for _ in range(n):
            yield size * rng.standard_normal(P), rng


@pytest.mark.parametrize("name", SEPARABLE)
@pytest.mark.parametrize("step", [0.3, 1.0, 4.0])
def test_separable_prox_against_a_grid(name, step):
    """No point of a grid within the bounds is better, for any step."""
    penalty, alpha = EVERY[name], 0.3
    grid = np.linspace(-5, 5, 2001)
    charge = np.array([[penalty.take(np.array([j])).value(np.array([u]), alpha) for u in grid] for j in range(3)])
    for j in range(3):
        one = penalty.take(np.array([j]))
        allowed = (grid >= one.lower) & (grid <= one.upper)
        for v in np.linspace(-4, 4, 41):
            w = one.prox(np.array([v]), step, alpha)
            assert one.lower <= w <= one.upper
            best = (w[0] - v) ** 2 / 2 + step * one.value(w, alpha)
            assert best <= ((grid - v) ** 2 / 2 + step * charge[j])[allowed].min() + 1e-12


@pytest.mark.parametrize("name", CONVEX)
def test_three_point_inequality(name):
    """Convexity: any other point is worse than the prox by at least half its squared distance."""
    penalty, alpha = EVERY[name], 0.3
    for z, rng in points():
        w = penalty.prox(z, 0.7, alpha)
        best = np.sum((w - z) ** 2) / 2 + 0.7 * penalty.value(w, alpha)
        for size in (1e-3, 0.1, 1.0):
            u = np.clip(w + size * rng.standard_normal(P), penalty.lower, penalty.upper)
            worse = np.sum((u - z) ** 2) / 2 + 0.7 * penalty.value(u, alpha) - best
            assert worse >= np.sum((u - w) ** 2) / 2 - 1e-11 * (1 + abs(best))


@every
def test_violation_is_0_where_a_prox_step_stays(name):
    """v = z - prox(z) is a subgradient at the prox; elsewhere a step that moves has a violation."""
    penalty, alpha = EVERY[name], 0.3
    for z, rng in points():
        w = penalty.prox(z, 1.0, alpha)
        np.testing.assert_allclose(penalty.violation(z - w, w, alpha), 0, atol=1e-12)
        v = rng.standard_normal(P)
        moved = np.abs(penalty.prox(w + 1e-3 * v, 1e-3, alpha) - w)
        wrong = penalty.violation(v, w, alpha)[moved > 1e-12] > 0
        assert wrong.all() or (wrong.any() and "sorted" in name)  # which ones, depends on the step's length


@every
def test_alpha_max_is_where_zeros_begin(name):
    penalty = EVERY[name]
    charged, zero = penalty.factor > 0, np.zeros(P)
    for v, _ in points(5):
        top = penalty.alpha_max(v)
        assert penalty.violation(v, zero, top * (1 + 1e-9))[charged].max() <= 1e-12
        assert penalty.violation(v, zero, top * (1 - 1e-6))[charged].max() > 0
        enters = penalty.entering(v, zero, 0.9 * top) > 0.9 * top
        assert (enters | ~charged | (penalty.violation(v, zero, 0.9 * top) == 0)).all() or "sorted" in name
        assert enters[charged].any()


@every
def test_a_part_is_the_whole_with_zeros(name):
    """`take`: value, and slopes where nothing else is; whole groups in any order."""
    penalty, alpha = EVERY[name], 0.3
    cols = penalty.whole(np.random.default_rng(3).permutation(P)[:9])
    part = penalty.take(cols)
    w = np.zeros(P)
    w[cols] = np.clip(np.random.default_rng(4).standard_normal(len(cols)), penalty.lower[cols], penalty.upper[cols])
    assert part.value(w[cols], alpha) == pytest.approx(penalty.value(w, alpha))
    v = np.random.default_rng(5).standard_normal(P)
    if "sorted" not in name:
        np.testing.assert_allclose(part.violation(v[cols], w[cols], alpha), penalty.violation(v, w, alpha)[cols])
    for column in cols:
        assert set(penalty.whole(np.array([column]))) <= set(cols)


@pytest.mark.parametrize("name", BLOCKS)
def test_dual_charge_is_the_conjugate(name):
    """At the scale returned <scale v, w> exceeds the penalty of no w by more than the charge, and of some w by that."""
    penalty, alpha = EVERY[name], 0.3
    free = penalty.factor == 0
    for v, rng in points(5):
        v = np.where(free, 0.0, v)
        scale, charge, extra = penalty.dual_charge(v, np.zeros(P), alpha, np.zeros(P))
        assert extra == 0
        assert charge == 0 or "with bounds" in name
        assert 0 < scale <= 1

        def excess(w, u):
            return u @ w - penalty.value(w, alpha)

        ray = [penalty.prox(t * scale * v, t, alpha) for t in (0.5, 1.0, 5.0, 1e9)]
        for w in (*rng.standard_normal((20, P)), *ray):
            w = np.clip(w, penalty.lower, penalty.upper)
            assert excess(w, scale * v) <= charge + 1e-9 * penalty.value(w, alpha) + 1e-12
        if scale == 1:
            assert excess(ray[-1], v) == pytest.approx(charge, abs=1e-6)
        else:
            far = 1e9 * scale * (1 + 1e-6) * v
            assert np.abs(penalty.prox(far, 1e9, alpha)).max() > 10


def test_sorted_prox_makes_clusters_and_keeps_order():
    slope = SLOPE(0.5, 0.3)
    v = np.array([3.0, -2.95, 2.9, 0.1, -0.05, 0.0])
    w = slope.prox(v)
    assert np.abs(w[0]) >= np.abs(w[1]) >= np.abs(w[2]) > 0
    assert (w * v >= 0).all()
    np.testing.assert_array_equal(w[3:], 0)
    assert len(np.unique(np.abs(slope.prox(np.array([1.0, -1.0, 1.0]))))) == 1
    assert slope.weights(6)[0] == 1
    assert (np.diff(slope.weights(6)) < 0).all()
    assert slope.value(w) == pytest.approx(slope.value(np.random.default_rng(0).permutation(-w)))


def test_slope_is_a_value():
    slope = SLOPE(0.5, 0.3)
    for twin in (pickle.loads(pickle.dumps(slope)), copy.deepcopy(slope), eval(repr(slope)), slope.scaled(1.0)):
        assert twin == slope
        assert hash(twin) == hash(slope)
    assert slope.scaled(2.0).args == (1.0, 0.3)
    assert slope != MCP(0.5)
    with pytest.raises(ValueError, match="q must"):
        SLOPE(1.0, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        SLOPE(-1.0)
