"""solve_ridge against plain least squares; its certificates, and the ways it goes."""

import numpy as np
import pytest
import reference
from reference import problem, ridge_objective
from scipy import sparse

from fastreg.design import Design
from fastreg.solvers import ridge, ridge_dual
from fastreg.solvers.ridge import solve_ridge
from fastreg.solvers.ridge_dual import Dual
from fastreg.solvers.ridge_systems import Primal

DESIGNS = [reference.PlainDesign, Design]
SHAPES = [(40, 7), (7, 40), (20, 20), (21, 20), (1, 3), (5, 1), (1, 1)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("factor", [False, True])
def test_many_features_are_solved_without_their_matrix(monkeypatch, order, weighted, fit_intercept, factor):
    rng = np.random.default_rng(0)
    n, p = 500, 10000
    X, y = np.array(rng.standard_normal((n, p)) + 1, order=order), rng.standard_normal((n, 2))
    weight = rng.uniform(0.5, 1.5, n) if weighted else None
    factor = rng.uniform(0.5, 1.5, p) if factor else None
    design = Design(X, weight, fit_intercept=fit_intercept)
    fit = solve_ridge(design, y, 2.0 * p, factor)
    assert fit.method == "conjugate_gradient"
    monkeypatch.setattr(ridge_dual, "FEW", n)
    exact = solve_ridge(Design(X, weight, fit_intercept=fit_intercept), y, 2.0 * p, factor)
    assert exact.method == "cholesky"
    np.testing.assert_allclose(fit.coef, exact.coef, rtol=1e-7, atol=1e-9 * np.abs(exact.coef).max())
    np.testing.assert_allclose(fit.intercept, exact.intercept, rtol=1e-7, atol=1e-9)
    assert (fit.dual_gap <= 1e-17 * fit.null).all()


@pytest.mark.parametrize("n", [300, 700])
@pytest.mark.parametrize("kind", ["uneven", "nearly dependent"])
def test_many_features_and_an_ill_conditioned_matrix(n, kind):
    """Uneven rows are no trouble to a factor in single precision; where it breaks down, the matrix is made."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 6000))
    if kind == "uneven":
        X *= np.logspace(0, 3, n)[:, None]
    else:
        X[n // 2 :] = X[: n // 2] + 1e-4 * X[n // 2 :]
    y = X[:, :5].sum(axis=1) + rng.standard_normal(n)
    fit = solve_ridge(Design(X), y, 10.0 if kind == "uneven" else 1e-6)
    assert fit.method == ("conjugate_gradient" if kind == "uneven" else "cholesky")
    assert fit.dual_gap <= 1e-15 * fit.null


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("targets", [None, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("free", [0, 2])
def test_solution_is_the_least_squares_one(design, shape, targets, fit_intercept, weighted, free):
    X, y, weight, factor = problem(*shape, targets, weighted=weighted, free=free)
    for alpha in (1e6, 1.0, 1e-6):
        result = solve_ridge(design(X, weight, fit_intercept=fit_intercept), y, alpha, factor)
        coef, intercept = reference.ridge(X, y, alpha, weight, factor, fit_intercept=fit_intercept)
        at = [
            ridge_objective(X, y, *fit, alpha, weight, factor)
            for fit in ((result.coef, result.intercept), (coef, intercept))
        ]
        assert result.converged
        assert result.n_iter is None
        assert np.shape(result.dual_gap) == np.shape(result.intercept) == y.shape[1:]
        np.testing.assert_allclose(*at, rtol=1e-9, atol=1e-9)
        if shape[0] > 2 * free + 1:  # else the unpenalised coefficients are not unique
            np.testing.assert_allclose(result.coef, coef, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (20, 20)], ids=str)
@pytest.mark.parametrize("free", [0, 2])
def test_gap_is_the_distance_to_the_optimum(design, shape, free):
    """The certificate of coefficients that are not optimal bounds their suboptimality."""
    X, y, weight, factor = problem(*shape, weighted=True, free=free)
    d, alpha = design(X, weight), 3.0
    best = solve_ridge(d, y, alpha, factor)
    optimum = ridge_objective(X, y, best.coef, best.intercept, alpha, weight, factor)
    centred, y_mean = d.center(y)
    centred, rng = centred[:, None], np.random.default_rng(1)
    system, shift = (Primal if shape[0] >= shape[1] else Dual)(d, factor), alpha / d.total_weight
    w = system.fit(centred, None, shift)
    for step in (1e-3, 1e-1, 1.0):
        if isinstance(system, Primal):
            off = w + step * rng.standard_normal(w.shape)
        else:  # certifies the coefficients of its own dual vector
            dual = system._last[1] + step * system.outside(system.root * rng.standard_normal(centred.shape))
            system._last = centred, dual
            off = system.primal(centred, dual)
        gap = system.certify(centred, off, shift)[0][0] * 2 * d.total_weight
        excess = ridge_objective(X, y, *d.unscale(off[:, 0], y_mean), alpha, weight, factor) - optimum
        assert excess > 0
        assert gap >= excess * (1 - 1e-9)
    assert best.dual_gap <= 1e-12 * best.null


@pytest.mark.parametrize("shape", [(30, 6), (6, 30)], ids=str)
@pytest.mark.parametrize("n_targets", [3, 25])
def test_one_alpha_a_target(shape, n_targets):
    """A few alphas share the Gram, many an eigendecomposition; both are the single fits."""
    X, y, weight, factor = problem(*shape, n_targets, weighted=True, free=2)
    alphas = np.geomspace(1e-3, 1e3, n_targets)
    for f in (None, factor):
        design = Design(X, weight)
        together = solve_ridge(design, y, alphas, f)
        assert together.method == ("cholesky" if n_targets == 3 else "eigen")
        for t, alpha in enumerate(alphas):
            single = solve_ridge(design, y[:, t], alpha, f)
            np.testing.assert_allclose(together.coef[t], single.coef, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(together.intercept[t], single.intercept, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", [(30, 6), (6, 30)], ids=str)
def test_everything_unpenalised_is_alpha_0(shape):
    X, y, _, _ = problem(*shape)
    design = Design(X)
    zero, free = solve_ridge(design, y, 0.0), solve_ridge(design, y, 5.0, np.zeros(shape[1]))
    np.testing.assert_allclose(free.coef, zero.coef, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)], ids=str)
@pytest.mark.parametrize("targets", [None, 3])
@pytest.mark.parametrize("free", [0, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_conjugate_gradients(monkeypatch, shape, targets, free, fit_intercept):
    rng = np.random.default_rng(0)
    X = sparse.random(*shape, density=0.2, random_state=0, format="csc") * 3
    y = rng.standard_normal((shape[0],) if targets is None else (shape[0], targets))
    factor = problem(*shape, free=free)[3]
    design = Design(X, rng.uniform(0.5, 2, shape[0]), fit_intercept=fit_intercept)
    for alpha in (1e2, 0.1) if targets is None else (np.array([0.1, 1.0, 1e3]),):
        direct = solve_ridge(design, y, alpha, factor)
        with monkeypatch.context() as patch:
            patch.setattr(ridge, "_SPARSE_DIRECT", 1)
            iterative = solve_ridge(design, y, alpha, factor, tol=1e-10)
            loose = solve_ridge(design, y, alpha, factor, tol=1e-2)
            stopped = solve_ridge(design, y, alpha, factor, tol=1e-10, max_iter=1)
        assert iterative.method == "sparse_cg"
        assert iterative.converged
        assert not stopped.converged
        assert np.all(iterative.n_iter >= loose.n_iter)
        assert np.all(iterative.dual_gap <= 1e-10 * iterative.null)
        np.testing.assert_allclose(iterative.coef, direct.coef, rtol=1e-5, atol=1e-6)
