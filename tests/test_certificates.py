"""Generalised linear models with features that nothing is charged on: gaps that bound the error all the same."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning

from fastreg import GeneralizedLinearClassifier, GroupL1, LogisticRegression
from fastreg.design import Design
from fastreg.losses import Logistic, Poisson
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import multinomial_newton, prox_newton, solve_glm


def data(seed, n=50, p=5, K=4):
    """Few rows, scales apart; some classes may be separable from others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10 ** rng.uniform(-1, 1, p)
    raw = X @ rng.normal(size=(p, K)) * rng.choice([0.3, 1.0, 5.0, 30.0])
    y = (raw + rng.gumbel(size=(n, K)) * rng.choice([0.0, 0.1, 1.0])).argmax(axis=1)
    y[:K] = np.arange(K)
    return X, y, rng


def reference(X, y, charge, lower=-np.inf, upper=np.inf, fit_intercept=True):
    """The least objective that L-BFGS-B finds with coefficients in two parts; ``charge`` (p,) of L1."""
    n, p = X.shape
    K = y.max() + 1

    def objective(z):
        up, down, b = z[: K * p].reshape(K, p), z[K * p : 2 * K * p].reshape(K, p), z[2 * K * p :]
        raw = X @ (up - down).T + b
        G = softmax(raw, axis=1)
        G[np.arange(n), y] -= 1
        slope = G.T @ X / n
        value = (logsumexp(raw, axis=1) - raw[np.arange(n), y]).mean() + (charge * (up + down)).sum()
        b_slope = G.mean(axis=0) if fit_intercept else np.zeros(K)
        return value, np.concatenate([(slope + charge).ravel(), (charge - slope).ravel(), b_slope])

    lower, upper = np.broadcast_to(lower, p), np.broadcast_to(upper, p)
    bounds = [(0, u) for _ in range(K) for u in upper] + [(0, -u) for _ in range(K) for u in lower] + [(None, None)] * K
    options = {"maxiter": 3000, "maxfun": 10000, "ftol": 0, "gtol": 1e-12}
    return minimize(objective, np.zeros(2 * K * p + K), jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun


def value_of(model, X, y, charge):
    raw = X @ model.coef_.T + model.intercept_
    return (logsumexp(raw, axis=1) - raw[np.arange(len(y)), y]).mean() + (charge * np.abs(model.coef_)).sum()


def quiet(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of classes that nothing holds together
        return model.fit(X, y)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("extras", ["plain", "no intercept", "bounds"])
def test_gaps_bound_the_error_without_a_penalty_on_some_features(seed, extras):
    X, y, rng = data(seed)
    p = X.shape[1]
    factor = np.where(np.arange(p) < 2, 0.0, 1.0)
    options = {"fit_intercept": extras != "no intercept"}
    if extras == "bounds":
        options |= {
            "lower": np.where(rng.random(p) < 0.5, 0, -np.inf),
            "upper": np.where(rng.random(p) < 0.3, 1, np.inf),
        }
    C = 10 ** rng.uniform(-1, 2)
    charge = factor / (C * len(y))
    best = reference(X, y, charge, **options)
    for tol in (1e-3, 1e-7):
        model = quiet(LogisticRegression(C=C, l1_ratio=1.0, penalty_factor=factor, tol=tol, **options), X, y)
        assert model.converged_
        assert model.dual_gap_ <= tol * np.log(4)
        assert value_of(model, X, y, charge) - best <= model.dual_gap_ + 1e-12


def test_sparse_is_dense():
    X, y, _ = data(3)
    model = LogisticRegression(C=10, l1_ratio=1.0, penalty_factor=[0, 0, 1, 1, 1], tol=1e-10)
    dense = quiet(model, X, y).decision_function(X)
    np.testing.assert_allclose(quiet(model, sparse.csc_array(X), y).decision_function(X), dense, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_groups_without_a_penalty_on_some_features(seed):
    X, y, _ = data(seed)
    factor = np.where(np.arange(X.shape[1]) < 2, 0.0, 1.0)

    def fit(tol, alpha):
        return quiet(GeneralizedLinearClassifier("logistic", GroupL1(alpha), penalty_factor=factor, tol=tol), X, y)

    def value(model, alpha):
        charge = 2 * alpha * (factor * np.linalg.norm(model.coef_, axis=0)).sum()
        return value_of(model, X, y, 0.0) + charge

    for alpha in (0.03, 0.001):
        loose, tight = fit(1e-3, alpha), fit(1e-10, alpha)
        assert loose.converged_
        assert tight.converged_
        assert value(loose, alpha) - value(tight, alpha) <= loose.dual_gap_ + 1e-12


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [True, False])
def test_no_penalty_at_all(seed, few, monkeypatch):
    """By linear systems, and where these would be too large."""
    if not few:
        monkeypatch.setattr(multinomial_newton, "COEFFICIENTS", 10)
    X, y, _ = data(seed, n=80, p=3)
    model = quiet(LogisticRegression(C=np.inf, tol=1e-6, max_iter=1000), X, y)
    assert value_of(model, X, y, 0.0) - reference(X, y, np.zeros(3)) <= model.dual_gap_ + 1e-12
    assert model.converged_ == (model.dual_gap_ <= 1e-6 * np.log(4))


@pytest.mark.parametrize("shift", [10.0, 1000.0])
def test_columns_far_from_0_without_an_intercept(shift):
    """Turns of the classes end long before the gap falls; then all move at once."""
    X, _, rng = data(0)
    X = rng.normal(size=X.shape)
    y = (X @ rng.normal(size=(5, 3)) + rng.gumbel(size=(len(X), 3))).argmax(axis=1)
    model = LogisticRegression(C=1e4 / len(X), l1_ratio=1.0, fit_intercept=False).fit(X + shift, y)
    assert model.converged_
    assert model.n_iter_[0] < 50


def test_a_feature_that_tells_two_of_three_classes_apart():
    """There is no optimum, yet a bound: what is left is the third class against both."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=90)
    y = np.where(x > 0, 0, 1)
    y[rng.random(90) < 0.3] = 2
    X = x[:, None]
    model = quiet(LogisticRegression(C=np.inf, tol=1e-8, max_iter=200), X, y)
    assert model.converged_
    assert np.abs(model.coef_).max() < 1e6


@pytest.mark.parametrize("name", ["logistic", "poisson"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_many_columns_without_a_penalty(name, fit_intercept, monkeypatch):
    """Their part of the dual point by conjugate gradients: still a bound."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 12))
    mean = np.exp(X[:, :3] @ [0.5, -0.4, 0.3])
    loss, y = (Poisson(), rng.poisson(mean)) if name == "poisson" else (Logistic(), rng.random(120) < mean / (1 + mean))
    penalty, alphas = FeatureL1L2(12, 0.0, np.where(np.arange(12) < 9, 0.0, 1.0)), np.array([0.1])
    options = {"max_iter": 200}

    def fit(tol):
        return solve_glm(Design(X, fit_intercept=fit_intercept), loss, y, alphas, penalty, tol=tol, **options)

    best = fit(1e-12)
    monkeypatch.setattr(prox_newton, "WIDE", 3)
    monkeypatch.setattr(prox_newton, "ELEMENTS", 0)
    for tol in (1e-3, 1e-6, 1e-10):
        path = fit(tol)
        assert path.converged.all()
        assert path.primals[0] - best.primals[0] <= path.dual_gaps[0] + 1e-14
    np.testing.assert_allclose(path.coefs, best.coefs, atol=1e-4)
