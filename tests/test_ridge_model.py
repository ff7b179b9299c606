"""Ridge penalties on many columns: conjugate gradients, and where they make no way the Gram matrix."""

import numpy as np
import pytest
from scipy import sparse

from fastreg import ElasticNet, Ridge
from fastreg.design import Design
from fastreg.losses import Logistic, Poisson
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import ridge_model, solve_glm
from fastreg.solvers.ridge_model import WideBlock, ridge_block

LOSSES = {"logistic": Logistic(), "poisson": Poisson()}


def data(name, n, p, density=1.0):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < density)
    eta = X @ rng.standard_normal(p) / np.sqrt(p * density)
    return X, (rng.random(n) < 1 / (1 + np.exp(-2 * eta))) * 1.0 if name == "logistic" else rng.poisson(
        np.exp(eta)
    ) * 1.0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("make", [np.asfortranarray, sparse.csc_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("extras", ["plain", "factor", "free", "offset", "weights"])
def test_optimality(name, make, fit_intercept, extras):
    X, y = data(name, 60, 150)
    n, p = X.shape
    rng = np.random.default_rng(1)
    factor = {"factor": rng.uniform(0.5, 2, p), "free": np.where(np.arange(p) < 3, 0.0, 1.0)}.get(extras)
    offset = rng.standard_normal(n) if extras == "offset" else None
    weight = rng.integers(0, 3, n) * 1.0 if extras == "weights" else None
    design, penalty = Design(make(X), weight, fit_intercept=fit_intercept), FeatureL1L2(p, 0.0, factor)
    assert ridge_block(design, penalty) is WideBlock
    alphas = np.array([0.1, 1e-3])
    path = solve_glm(design, LOSSES[name], y, alphas, penalty, offset=offset, tol=1e-9)
    assert path.converged.all()
    for alpha, coef, intercept in zip(alphas, path.coefs, path.intercepts, strict=True):
        raw = X @ coef + intercept + (0.0 if offset is None else offset)
        gradient = LOSSES[name](raw, y, design.weights)[1]
        assert penalty.violation(-X.T @ gradient, coef, alpha).max() < 2e-5
        assert abs(gradient.sum()) < 1e-9 or not fit_intercept


@pytest.mark.parametrize("alpha", [1e-7, 1e-3])
def test_scales_orders_apart(alpha):
    """Conjugate gradients stop short of the gap there."""
    X, y = data("logistic", 600, 120, density=0.1)
    X[:, ::20] *= 1e5
    design, penalty = Design(sparse.csc_array(X)), FeatureL1L2(120, 0.0)
    assert ridge_block(design, penalty) is WideBlock
    path = solve_glm(design, Logistic(), y, np.array([alpha]), penalty, tol=1e-8)
    assert path.converged.all()
    dense = solve_glm(Design(X), Logistic(), y, np.array([alpha]), penalty, tol=1e-8)
    assert path.primals[0] == pytest.approx(dense.primals[0], rel=2e-8)


def test_gram_matrix_where_gradients_make_no_way(monkeypatch):
    monkeypatch.setattr(ridge_model, "ITERATIONS", 1)
    calls = []
    monkeypatch.setattr(Design, "reweighted", lambda *a, way=Design.reweighted, **k: calls.append(1) or way(*a, **k))
    X, y = data("logistic", 100, 150)
    path = solve_glm(Design(X), Logistic(), y, np.array([1e-3]), FeatureL1L2(150, 0.0), tol=1e-9)
    assert path.converged.all()
    assert calls


@pytest.mark.parametrize("make", [np.asfortranarray, sparse.csc_array], ids=["dense", "sparse"])
def test_elastic_net_without_l1_is_ridge(make):
    X, y = data("poisson", 60, 150)
    weight = np.random.default_rng(2).uniform(0.5, 2, 60)
    ours = ElasticNet(alpha=0.1, l1_ratio=0.0, tol=1e-12).fit(make(X), y, weight)
    ridge = Ridge(alpha=0.1 * weight.sum()).fit(make(X), y, weight)
    assert ours.converged_
    np.testing.assert_allclose(ours.coef_, ridge.coef_, atol=1e-6)
    assert ours.intercept_ == pytest.approx(ridge.intercept_, abs=1e-6)
