"""solve_path: fits are optimal to their tolerance and say so truly, whatever the problem and the way taken."""

import dataclasses
import warnings

import numpy as np
import pytest
import reference
from hypothesis import given
from scipy import sparse
from sklearn.linear_model import ElasticNet
from solver_cases import CASES, Case, text
from strategies import problems

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import alpha_grid, coordinate, solve_path, working_set
from fastreg.solvers.correlations import Correlations, size_of

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def check(case, path, slack=1e-11):
    """What every Path owes: finite coefficients within their bounds, a primal that is theirs, an honest gap."""
    rounding = slack * path.null + 1e-25 * np.square(case.y).max()
    for k, alpha in enumerate(path.alphas):
        coef, intercept, gap = path.coefs[k], path.intercepts[k], path.dual_gaps[k]
        assert np.isfinite(coef).all()
        assert (coef >= case.charges.lower * (1 + 1e-12)).all()
        assert (coef <= case.charges.upper * (1 + 1e-12)).all()
        assert path.primals[k] == pytest.approx(case.objective(alpha, coef, intercept), rel=1e-8, abs=rounding)
        assert gap >= 0
        assert path.n_iters[k] >= 1
    return rounding


@every_case
def test_optimal(case):
    """No worse than the plain twin, certified by our gap, and by one that is worked out in plain NumPy."""
    for share in case.shares:
        alpha = share * case.top
        fits = [case.solve(alpha, tol=tol) for tol in (case.tol, 1e-3)]
        values = []
        for path, tol in zip(fits, (case.tol, 1e-3)):
            rounding = check(case, path)
            assert path.converged[0]
            assert path.dual_gaps[0] <= max(tol, 1e-14) * path.null
            values.append(case.objective(alpha, path.coefs[0], path.intercepts[0]))
        null, bounds = fits[0].null, (case.charges.lower, case.charges.upper)
        assert values[1] - values[0] <= fits[1].dual_gaps[0] + rounding
        if case.optimum:
            twin = reference.coordinate_descent(
                case.plain, case.y, alpha, case.charges.l1_ratio, case.charges.factor, *bounds, sweeps=100
            )
            assert values[0] <= case.objective(alpha, twin.coef, twin.intercept) + case.tol * null + rounding
        if share > 1e-9:
            floor = reference.lower_bound(case.plain, case.y, fits[0].coefs[0], *case.parts(alpha), *bounds)
            assert values[0] - floor <= 1e-7 * null + rounding


@every_case
def test_path_is_single_fits(case):
    """A path goes other ways than a single fit, to the same objectives."""
    shares = (
        np.geomspace(2.0, max(min(case.shares), 1e-4), 7) if max(case.shares) else [1.0, 0.1, 0.01, 1e-3, 1e-4, 0.0]
    )
    path = case.solve(np.asarray(shares) * case.top)
    rounding = check(case, path, slack=1e-9)
    assert path.converged.all()
    for k in (0, 3, -1):
        alpha = path.alphas[k]
        single = case.solve(alpha)
        here, there = (case.objective(alpha, fit.coefs[i], fit.intercepts[i]) for fit, i in ((path, k), (single, 0)))
        assert here - there <= path.dual_gaps[k] + rounding
        assert there - here <= single.dual_gaps[0] + rounding


@every_case
def test_out_of_iterations(case):
    """One iteration: converged only if the gap says so, and the gap is true all the same."""
    alpha = case.shares[-1] * case.top
    path = case.solve(alpha, max_iter=1)
    rounding = check(case, path)
    best = case.solve(alpha)
    value, optimum = (case.objective(alpha, fit.coefs[0], fit.intercepts[0]) for fit in (path, best))
    assert value - optimum <= path.dual_gaps[0] + rounding
    assert path.converged[0] == (path.dual_gaps[0] <= max(case.tol, 1e-14) * path.null)


@every_case
def test_iterations_are_bounded(case):
    """No way of solving spends more than max_iter, whatever it does on the way to an alpha."""
    for max_iter in (1, 2, 7, 40):
        for alphas in (case.top * np.array(case.shares[-1:]), case.top * np.array([0.5, case.shares[-1] / 2])):
            assert (case.solve(alphas, max_iter=max_iter).n_iters <= max_iter).all()


def test_out_of_iterations_is_not_converged():
    for name in ("meats", "interpolation", "Hilbert, wide"):
        case = next(case for case in CASES if case.name == name)
        path = case.solve(case.shares[-1] * case.top, max_iter=1)
        assert not path.converged[0]
        assert path.n_iters[0] < 100


@every_case
def test_warm_start(case):
    """From its own solution a fit is over at once; from anywhere (bounds broken, too) it ends where it did before."""
    alpha = case.shares[0] * case.top
    cold = case.solve(alpha)
    again = case.solve(alpha, coef_init=cold.coefs[0], tol=max(10 * case.tol, 1e-12))
    assert again.n_iters[0] <= max(cold.n_iters[0], 2)
    wild = cold.coefs[0] + np.random.default_rng(0).standard_normal(case.design.p) * (np.abs(cold.coefs[0]).max() or 1)
    for path in (again, case.solve(alpha, coef_init=wild)):
        rounding = check(case, path, 1e-10)
        assert path.converged[0]
        values = [case.objective(alpha, fit.coefs[0], fit.intercepts[0]) for fit in (cold, path)]
        assert abs(values[0] - values[1]) <= max(cold.dual_gaps[0], path.dual_gaps[0]) + rounding


@pytest.mark.parametrize("distance", [1e-15, 1e-10, 1e-8, 1e-7])
@pytest.mark.parametrize("p", [12, 200])
def test_nearly_equal_columns_without_a_penalty(distance, p):
    """However close they are: certified, and as good as a bound in plain NumPy says."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, p))
    X[:, :6] = X[:, :1] + distance * rng.standard_normal((30, 6))
    y = X[:, [0, 8, 9]].sum(axis=1) + 0.3 * rng.standard_normal(30)
    case = Case("close", X, y, {"factor": np.repeat([0.0, 1.0], [6, p - 6])})
    for alphas in (case.top * np.array([0.01]), case.top * np.geomspace(0.1, 0.01, 6)):
        path = case.solve(alphas, tol=1e-6, max_iter=1000)
        assert path.converged.all()
        value = case.objective(alphas[-1], path.coefs[-1], path.intercepts[-1])
        assert value == pytest.approx(path.primals[-1], abs=1e-6 * path.null)
        floor = reference.lower_bound(case.plain, y, path.coefs[-1], *case.parts(alphas[-1]))
        assert value - floor <= 3e-6 * path.null


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_a_single_fit_ends_exact(l1_ratio):
    """Where last Newton steps cost less than passes over X, the gap of a set is rounding whatever tol is."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 60)) + rng.standard_normal((2000, 1))
    y = X[:, :20] @ rng.standard_normal(20) + rng.standard_normal(2000)
    design, penalty = Design(X), FeatureL1L2(60, l1_ratio)
    for alpha in alpha_grid(design, y, penalty, eps=1e-3, n_alphas=8)[1:]:
        path = solve_path(design, y, np.array([alpha]), penalty, tol=1e-3)
        assert path.dual_gaps[0] <= 1e-12 * path.null


@pytest.mark.parametrize("case", [case for case in CASES if case.charges.l1_ratio > 0.1], ids=str)
def test_alpha_max(case):
    """At the top of the grid penalised coefficients are 0, just below one is not."""
    penalised = case.charges.factor > 0
    grid = alpha_grid(case.design, case.y, case.charges, eps=0.01, n_alphas=3)
    if grid[0] < 1e-9 * case.top or grid[0] == np.finfo(np.float64).resolution:
        return  # y, or what the unpenalised features leave of it, is constant; or taken for that, as in scikit-learn
    np.testing.assert_allclose(grid[1:] / grid[:-1], 0.1)
    for factor, enters in ((1 + 1e-9, False), (1 - 1e-6, True)):
        path = case.solve(factor * grid[0], tol=1e-15)
        assert (path.coefs[0][penalised] != 0).any() == enters


def plain_lasso(case):
    """Whether scikit-learn has this problem, and units can be changed in it."""
    return not (
        {"factor", "lower", "upper"} & set(case.penalty) or case.options.get("standardize") or "1e" in case.name
    )


@pytest.mark.parametrize("case", [case for case in CASES if plain_lasso(case) and any(case.shares)], ids=str)
def test_scikit_learn(case):
    """Never worse than scikit-learn with a tight tolerance."""
    alpha = case.shares[-1] * case.top
    intercept = case.options.get("fit_intercept", True)
    model = ElasticNet(alpha, l1_ratio=case.charges.l1_ratio, fit_intercept=intercept, tol=1e-10, max_iter=2000)
    X = case.X
    if sparse.issparse(X):  # with int32 indices
        X = sparse.csc_array((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not get there
        model.fit(X, case.y, sample_weight=case.weight)
    path = case.solve(alpha)
    ours = case.objective(alpha, path.coefs[0], path.intercepts[0])
    assert ours <= case.objective(alpha, model.coef_, model.intercept_) + (case.tol + 1e-12) * path.null


@pytest.mark.parametrize("case", [case for case in CASES if plain_lasso(case) and not case.penalty], ids=str)
def test_units(case):
    """X and y in other units: the same fit in those units; to the last digits, as the units are powers of 2."""
    x_unit, y_unit = 2.0**20, 2.0**-30
    alpha = case.shares[0] * case.top
    other = dataclasses.replace(case, X=case.X * x_unit, y=case.y * y_unit)
    here, there = case.solve(alpha), other.solve(alpha * x_unit * y_unit)
    size = np.abs(here.coefs).max()
    np.testing.assert_allclose(there.coefs * x_unit / y_unit, here.coefs, rtol=1e-9, atol=1e-9 * size)
    np.testing.assert_allclose(there.null, here.null * y_unit**2, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------
# correlations that are read where they may matter


@pytest.mark.parametrize("targets", [(), (2,)], ids=["one target", "tasks"])
@pytest.mark.parametrize("storage", [np.asfortranarray, np.ascontiguousarray, sparse.csc_array])
def test_correlations(storage, targets):
    """Up to date wherever they may exceed the threshold and where asked; elsewhere their bounds hold, unread."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 500)) * rng.uniform(0.1, 3, 500)
    weight = rng.uniform(0, 1, 40)
    design = Design(storage(X), weight)
    r = design.center(rng.standard_normal((40, *targets)))[0]
    seen = Correlations(design, r, design.xt_r(r))
    asked = rng.random(500) < 0.02
    threshold = rng.uniform(0.5, 2, 500) * np.quantile(size_of(seen.v), 0.9)
    read = []
    for step in [0.01] * 20 + [10.0]:
        r = r + step * design.center(rng.standard_normal(r.shape))[0]
        before = seen.v.copy()
        seen.move(r)
        seen.read(threshold, asked)
        truth = design.xt_r(r)
        read.append((seen.v != before).reshape(500, -1).any(axis=1).mean())
        right = np.isclose(seen.v, truth, rtol=1e-9, atol=1e-12).reshape(500, -1).all(axis=1)
        size, bounds = size_of(truth), size_of(seen.bounds())
        assert right[asked | (size > threshold)].all()
        assert (bounds >= size * (1 - 1e-9)).all()
        assert (bounds <= threshold)[~right].all()
    if design.storage.by_columns:
        assert max(read[:-1]) < 0.4
    assert read[-1] == 1


# ---------------------------------------------------------------------------------------------------------
# the ways through a sparse problem


def give_up(*arguments):
    """Coordinate descent on the residual that finds itself too slow after a round."""
    return coordinate.residual_descent(*arguments[:-1], 0.0)


WAYS = {
    "on the residual": {"GRAM_COLUMNS": 0},
    "on the Gram matrix": {"SHORT": 0.0},
    "moved to the Gram matrix": {"SHORT": np.inf, "residual_descent": give_up},
    "as it is": {},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "penalty",
    [{}, {"l1_ratio": 0.5}, {"lower": 0.0, "upper": 0.5}, {"factor": np.linspace(0, 2, 120)}],
    ids=["lasso", "elastic net", "bounds", "factors"],
)
def test_ways_through_sparse(monkeypatch, way, weighted, penalty):
    """However the sets are solved, paths are the dense ones."""
    X, y = text(90, 120)
    weight = np.random.default_rng(1).uniform(0, 1, 90) if weighted else None
    dense = Case("dense", X.toarray(), y, penalty, weight)
    alphas = dense.top * np.geomspace(1, 1e-3, 4)
    expected = dense.solve(alphas)
    for name, value in WAYS[way].items():
        monkeypatch.setattr(working_set, name, value)
    case = Case(way, X, y, penalty, weight, tol=1e-8)
    path = case.solve(alphas)
    check(case, path)
    assert path.converged.all()
    for k, alpha in enumerate(alphas):
        values = [case.objective(alpha, fit.coefs[k], fit.intercepts[k]) for fit in (path, expected)]
        assert values[0] == pytest.approx(values[1], abs=2 * case.tol * path.null)


def test_long_sparse_paths_are_sparse(monkeypatch):
    """Where a path has too many entries to be written out, it comes as CSR, with the same numbers."""
    from fastreg.solvers import path as path_module

    case = next(case for case in CASES if case.name == "text, standardised")
    alphas = case.top * np.geomspace(1, 0.1, 4)
    dense = case.solve(alphas)
    monkeypatch.setattr(path_module, "DENSE_PATH", 0)
    packed = case.solve(alphas)
    assert packed.coefs.format == "csr"
    np.testing.assert_array_equal(packed.coefs.toarray(), dense.coefs)
    np.testing.assert_allclose(packed.intercepts, dense.intercepts)


# ---------------------------------------------------------------------------------------------------------
# anything


@given(problems())
def test_any_problem(problem):
    """Single fits and a path, of whatever Hypothesis comes up with."""
    case = Case("any", problem.X, problem.y, problem.penalty, problem.weight, problem.options, tol=1e-6)
    alpha = problem.alpha
    path = case.solve(alpha)
    rounding = check(case, path)
    if path.null <= rounding:
        return  # y is constant: what is left of it is rounding
    assert path.converged[0]
    value, null = case.objective(alpha, path.coefs[0], path.intercepts[0]), path.null
    bounds = (case.charges.lower, case.charges.upper)
    twin = reference.coordinate_descent(
        case.plain, case.y, alpha, case.charges.l1_ratio, case.charges.factor, *bounds, sweeps=60
    )
    tight = case.solve(alpha, tol=1e-12)
    best = min(
        case.objective(alpha, twin.coef, twin.intercept),
        case.objective(alpha, tight.coefs[0], tight.intercepts[0]),
    )
    assert value - best <= path.dual_gaps[0] + 1e-10 * null + rounding
    assert value - best <= 1.001e-6 * null + rounding
    floor = reference.lower_bound(case.plain, case.y, tight.coefs[0], *case.parts(alpha), *bounds)
    assert best - floor <= 1e-5 * null + rounding
    along = case.solve(alpha * np.geomspace(20, 1, 6))
    check(case, along, slack=1e-8)
    assert along.converged.all()
    last = case.objective(alpha, along.coefs[-1], along.intercepts[-1])
    assert last - best <= along.dual_gaps[-1] + 1e-9 * null + rounding
