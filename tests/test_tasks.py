"""solve_path for several targets: alone, side by side, sharing their zeros."""

import numpy as np
import pytest
import reference
from hypothesis import given
from reference import PlainDesign
from solver_cases import CASES, MEATS
from strategies import problems

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import alpha_grid, solve_path


@pytest.mark.parametrize("name", ["tall", "wide", "weighted", "wide duplicates", "text, int32", "elastic net"])
def test_targets(name):
    """Targets apart are single fits; one task is no different from one target; tasks together are optimal together."""
    case = next(case for case in CASES if case.name == name)
    alphas = np.array([0.5, 0.05]) * case.top
    single = case.solve(alphas, tol=1e-10)
    Y = np.column_stack([case.y, -2 * case.y, np.roll(case.y, 3)])
    apart = solve_path(case.design, Y, alphas, case.charges, tol=1e-10, max_iter=100_000)
    assert apart.coefs.shape == (2, 3, case.design.p)
    one = solve_path(case.design, Y[:, :1], alphas, case.charges, tol=1e-8, max_iter=100_000, multitask=True)
    together = solve_path(case.design, Y, alphas, case.charges, tol=1e-6, max_iter=100_000, multitask=True)
    assert apart.converged.all()
    assert one.converged.all()
    assert together.converged.all()
    null = single.null
    for k, alpha in enumerate(alphas):
        value = case.objective(alpha, single.coefs[k], single.intercepts[k])
        for coef, intercept in (
            (apart.coefs[k, 0], apart.intercepts[k, 0]),
            (one.coefs[k, 0], one.intercepts[k, 0]),
        ):
            assert case.objective(alpha, coef, intercept) == pytest.approx(value, abs=2e-8 * null)
        l1, l2 = case.parts(alpha)
        ours = reference.multitask_objective(case.plain, Y, together.coefs[k], together.intercepts[k], l1, l2)
        twin = reference.block_coordinate_descent(
            case.plain, Y, alpha, case.charges.l1_ratio, case.charges.factor, sweeps=30
        )
        twin = reference.multitask_objective(case.plain, Y, twin.coef, twin.intercept, l1, l2)
        assert ours == pytest.approx(together.primals[k], rel=1e-9)
        assert ours - twin <= 1.1e-6 * together.null


@pytest.mark.parametrize("columns", [100, 50])
def test_targets_on_correlated_columns(columns):
    """Certified in few iterations, alone or along a path, with or without the Gram matrix of all columns."""
    X = MEATS[:, :columns]
    Y = np.column_stack([MEATS[:, -1], np.log(MEATS[:, -1]), MEATS[:, -1] ** 2])
    design, plain = Design(X, standardize=True), PlainDesign(X, standardize=True)
    for l1_ratio in (1.0, 0.9):
        penalty = FeatureL1L2(columns, l1_ratio)
        alphas = alpha_grid(design, Y, penalty, eps=1e-3, n_alphas=7, multitask=True)
        path = solve_path(design, Y, alphas, penalty, tol=1e-6, max_iter=500, multitask=True)
        assert path.converged.all()
        for k in (3, 6):
            single = solve_path(design, Y, alphas[k : k + 1], penalty, tol=1e-7, max_iter=500, multitask=True)
            assert single.converged[0]
            charges = alphas[k] * l1_ratio * np.ones(columns), alphas[k] * (1 - l1_ratio) * np.ones(columns)
            values = [
                reference.multitask_objective(plain, Y, fit.coefs[i], fit.intercepts[i], *charges)
                for fit, i in ((path, k), (single, 0))
            ]
            assert abs(values[0] - values[1]) <= 1.1e-6 * path.null


@pytest.mark.parametrize("p", [12, 200])
def test_tasks_with_nearly_equal_columns_without_a_penalty(p):
    """Alone, side by side and sharing their zeros: certified, and the primal is that of the coefficients."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, p))
    X[:, :6] = X[:, :1] + 1e-6 * rng.standard_normal((30, 6))
    Y = X[:, [0, 8]] + X[:, [9, 9]] + 0.3 * rng.standard_normal((30, 2))
    design, plain = Design(X), PlainDesign(X)
    factor = np.repeat([0.0, 1.0], [6, p - 6])
    penalty = FeatureL1L2(p, 0.9, factor)
    alphas = alpha_grid(design, Y, penalty, eps=0.03, n_alphas=6, multitask=True)
    path = solve_path(design, Y, alphas, penalty, tol=1e-6, multitask=True)
    assert path.converged.all()
    assert not path.coefs[0][:, 6:].any()
    assert path.coefs[1][:, 6:].any()
    for k, alpha in enumerate(alphas):
        charges = alpha * 0.9 * factor, alpha * 0.1 * factor
        value = reference.multitask_objective(plain, Y, path.coefs[k], path.intercepts[k], *charges)
        assert value == pytest.approx(path.primals[k], rel=1e-7)
    apart = solve_path(design, Y, alphas, penalty, tol=1e-6)
    for t in range(2):
        alone = solve_path(design, np.ascontiguousarray(Y[:, t]), alphas, penalty, tol=1e-6)
        assert alone.converged.all()
        np.testing.assert_allclose(apart.primals[:, t], alone.primals, rtol=0, atol=1e-6 * alone.null)


@given(problems(targets=2, bounds=False))
def test_any_tasks(problem):
    """Tasks that share their zeros: certified, and no worse than the plain twin."""
    plain, penalty, alpha = problem.plain(), problem.charges(), problem.alpha
    path = solve_path(
        problem.design(), problem.y, np.array([alpha]), penalty, tol=1e-4, max_iter=100_000, multitask=True
    )
    l1, l2 = alpha * penalty.l1_ratio * penalty.factor, alpha * (1 - penalty.l1_ratio) * penalty.factor
    twin = reference.block_coordinate_descent(plain, problem.y, alpha, penalty.l1_ratio, penalty.factor, sweeps=60)
    ours, theirs = (
        reference.multitask_objective(plain, problem.y, coef, intercept, l1, l2)
        for coef, intercept in ((path.coefs[0], path.intercepts[0]), (twin.coef, twin.intercept))
    )
    rounding = 1e-10 * path.null + 1e-25 * np.square(problem.y).max()
    assert path.primals[0] == pytest.approx(ours, rel=1e-8, abs=rounding)
    assert ours - theirs <= path.dual_gaps[0] + rounding
    if path.null <= rounding:
        return  # y is constant
    # block descent has no Newton step for nearly dependent columns: it may run out of iterations
    assert path.converged[0] or path.n_iters[0] >= 100_000
    assert path.dual_gaps[0] <= 1.001e-4 * path.null or not path.converged[0]
