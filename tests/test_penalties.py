"""The penalty's laws: its prox, its certificate, and where its coefficients enter."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2, gap
from fastreg.solvers import solve_path

P = 40


def table(l1_ratio, seed=0):
    """Every combination of a factor (0 among them) and a kind of bounds, over 40 features."""
    rng = np.random.default_rng(seed)
    factor = rng.choice([0.0, 0.5, 1.0, 3.0], P)
    lower, upper = rng.choice([-np.inf, -0.7, 0.0], P), rng.choice([np.inf, 0.4, 0.0], P)
    return FeatureL1L2(P, l1_ratio, factor, lower, upper)


every_ratio = pytest.mark.parametrize("l1_ratio", [1.0, 0.999999, 0.5, 0.0])


def value_of_each(penalty, W, alpha):
    """Penalties of single coefficients, written out; W (..., p)."""
    l1, l2 = alpha * penalty.l1_ratio * penalty.factor, alpha * (1 - penalty.l1_ratio) * penalty.factor
    return l1 * np.abs(W) + l2 / 2 * W**2


@every_ratio
def test_value(l1_ratio):
    penalty, w = table(l1_ratio), np.random.default_rng(1).standard_normal(P)
    assert penalty.value(w, 0.3) == pytest.approx(value_of_each(penalty, w, 0.3).sum())
    rows = np.outer(w, [0.6, 0, -0.8])
    assert penalty.value(rows, 0.3) == pytest.approx(penalty.value(w, 0.3))


@every_ratio
@pytest.mark.parametrize("scalar", [False, True])
def test_prox(l1_ratio, scalar):
    """Feasible, no worse than any point of a fine grid, and the three-point inequality that strong convexity gives."""
    penalty, rng = table(l1_ratio), np.random.default_rng(1)
    step = 0.7 if scalar else rng.uniform(0.1, 3, P)
    U = np.clip(np.linspace(-4, 4, 4001)[:, None], penalty.lower, penalty.upper)
    for z in (*rng.standard_normal((20, P)), np.zeros(P), np.full(P, 1e20), np.full(P, -1e20)):
        alpha = rng.uniform(0, 1)

        def value(u, z=z, alpha=alpha):
            # (u - z)²/2 without z²/2, which would drown the rest where z is huge
            return u**2 / 2 - u * z + step * value_of_each(penalty, u, alpha)

        w = penalty.prox(z, step, alpha)
        assert (w >= penalty.lower).all()
        assert (w <= penalty.upper).all()
        rounding = 1e-12 * (1 + np.abs(value(w)) + np.abs(value(U)))
        assert (value(U) - value(w) >= (U - w) ** 2 / 2 - rounding).all()


@every_ratio
def test_violation_bounds_the_prox_step(l1_ratio):
    """Distance of v from the subdifferential: 0 where a prox step from w along v stays, never less than the step."""
    penalty, rng, alpha = table(l1_ratio), np.random.default_rng(1), 0.4
    for _ in range(50):
        z = rng.standard_normal(P)
        w = penalty.prox(z, 1.0, alpha)
        np.testing.assert_allclose(penalty.violation(z - w, w, alpha), 0, atol=1e-14)
        v = rng.standard_normal(P)
        step, violation = np.abs(penalty.prox(w + v, 1.0, alpha) - w), penalty.violation(v, w, alpha)
        assert (violation >= step - 1e-14).all()
        assert (violation[step > 1e-14] > 0).all()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.999999, 0.5])
def test_score_and_alpha_max(l1_ratio):
    """0 is optimal, in every penalised coordinate, from alpha_max on and not before."""
    penalty = table(l1_ratio)
    penalised = penalty.factor > 0
    for v in np.random.default_rng(1).standard_normal((20, P)):
        top = penalty.alpha_max(v)
        assert (penalty.violation(v, np.zeros(P), top * (1 + 1e-12))[penalised] == 0).all()
        assert penalty.violation(v, np.zeros(P), top * (1 - 1e-9))[penalised].max() > 0
        inside = penalty.score(v) <= 0.5 * l1_ratio
        np.testing.assert_array_equal(penalty.violation(v, np.zeros(P), 0.5)[penalised] == 0, inside[penalised])


def test_take_and_scaled():
    penalty, scale, cols = table(0.5), np.random.default_rng(2).uniform(0.1, 9, P), np.arange(0, P, 3)
    part = penalty.take(cols)
    for name in ("factor", "lower", "upper"):
        np.testing.assert_array_equal(getattr(part, name), getattr(penalty, name)[cols])
    scaled = penalty.scaled(scale)
    np.testing.assert_allclose(scaled.lower, penalty.lower * scale)
    np.testing.assert_allclose(scaled.upper, penalty.upper * scale)
    np.testing.assert_array_equal(scaled.factor, penalty.factor)


@every_ratio
def test_one_column_is_a_prox(l1_ratio):
    """The compiled prox of the solvers is the one above: one column of mean square h has w = prox(q/h), step 1/h."""
    penalty, rng, alpha = table(l1_ratio), np.random.default_rng(3), 0.3
    for j in range(P):
        x, y = rng.standard_normal((9, 1)), rng.standard_normal(9)
        h, q = np.mean(x**2), np.mean(x[:, 0] * y)
        one = penalty.take(np.array([j]))
        path = solve_path(Design(x, fit_intercept=False), y, np.array([alpha]), one, tol=1e-12)
        np.testing.assert_allclose(path.coefs[0], one.prox(np.array([q / h]), 1 / h, alpha), rtol=1e-12, atol=1e-14)
        assert path.converged.all()


# ---------------------------------------------------------------------------------------------------------
# the certificate


def certificate(design, penalty, y, w, alpha):
    """(gap, primal) of any coefficients of X̃, without bounds being scaled."""
    centred, _, _ = design.bind(y)
    r = centred - design.xw(w)
    r, _ = design.center(r)
    v = design.xt_r(r)
    rr, yr, yy = (float(design.weights @ (a * b)) for a, b in ((r, r), (centred, r), (centred, centred)))
    return gap(v, w, design.sq_norms, penalty, alpha, rr, yr, yy)


@given(problems(wide=0), st.integers(0, 2**16), st.sampled_from([0.0, 1e-3, 0.3, 3.0]))
def test_gap_bounds_what_is_missing(problem, seed, noise):
    """Coefficients anywhere: the gap is not negative and never less than P(w) - P(optimum); at the optimum it is 0."""
    design, plain, penalty = problem.design(), problem.plain(), problem.charges()
    y, alpha = problem.y, problem.alpha
    path = solve_path(design, y, np.array([alpha]), penalty, tol=1e-12, max_iter=100_000)
    best, null = path.coefs[0] * design.scale, float(path.null)
    inner = penalty.scaled(design.scale)
    alive = design.sq_norms > 0
    size = np.abs(best).max() + np.sqrt(2 * null / design.sq_norms.max() if alive.any() else 0)
    w = best + noise * size * alive * np.random.default_rng(seed).standard_normal(design.p)
    w = np.clip(w, inner.lower, inner.upper)
    reported, primal = certificate(design, inner, y, w, alpha)
    l1, l2 = alpha * penalty.l1_ratio * penalty.factor, alpha * (1 - penalty.l1_ratio) * penalty.factor
    coef, intercept = plain.unscale(w, plain.center(y)[1])
    value = reference.objective(plain, y, coef, intercept, l1, l2)
    rounding = 1e-10 * null + 1e-25 * np.square(y).max()
    assert primal == pytest.approx(value, rel=1e-9, abs=rounding)
    assert reported >= 0
    optimum = reference.objective(plain, y, path.coefs[0], path.intercepts[0], l1, l2)
    assert reported >= value - optimum - rounding - 1e-10 * value
    if noise == 0:
        assert reported <= 10 * rounding


def test_gap_of_a_perfect_fit_with_an_unpenalised_column():
    """The residual is next to nothing but lies along the unpenalised column: as a dual point it mustn't be blown up."""
    # orthonormal columns, y = x1 + x2/10, w1 just off; the optimum shrinks w2 by alpha
    penalty, alpha, y = FeatureL1L2(2, factor=np.array([0.0, 1.0])), 0.05, np.array([1.0, 0.1])
    for off in (1e-8, 1e-10, 1e-12):
        w = np.array([1 - off, 0.1])
        v = y - w
        reported, primal = gap(v, w, np.ones(2), penalty, alpha, float(v @ v), float(y @ v), float(y @ y))
        assert primal == pytest.approx(alpha * 0.1, rel=1e-6)
        assert reported >= primal - (alpha * (0.1 - alpha) + alpha**2 / 2)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.9])
def test_gap_closes_on_the_way(l1_ratio):
    """Convex combinations with the optimum: the gap falls to 0 as they approach it."""
    X, y, weight, _ = reference.problem(30, 6, weighted=True)
    design, penalty, alpha = Design(X, weight), FeatureL1L2(6, l1_ratio), 0.05
    best = solve_path(design, y, np.array([alpha]), penalty, tol=1e-13, max_iter=10_000).coefs[0]
    gaps = [certificate(design, penalty, y, t * best, alpha)[0] for t in (0.5, 0.9, 0.99, 0.999, 1.0)]
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] <= 1e-12 * design.weights @ y**2
