"""Ridge against scikit-learn, and its laws."""

import numpy as np
import pytest
import reference
from reference import problem, ridge_objective
from scipy import sparse
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from fastreg import Ridge, RidgeCV
from fastreg.solvers import ridge as solver

GRID = np.array([1e-2, 1.0, 1e2])


@pytest.mark.parametrize("shape", [(60, 8), (8, 60), (20, 20)], ids=str)
@pytest.mark.parametrize("targets", [None, 1, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_ridge_agrees_with_scikit_learn(shape, targets, fit_intercept, weighted):
    X, y, weight, _ = problem(*shape, targets, weighted=weighted)
    for alpha in (1e-3, 1.0, 1e4):
        settings = {"alpha": alpha, "fit_intercept": fit_intercept}
        theirs = linear_model.Ridge(**settings, solver="svd").fit(X, y, weight)
        for solver_name in ("auto", "svd", "lsqr", "sag"):
            ours = Ridge(**settings, solver=solver_name).fit(X, y, weight)
            np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-10)
            np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7, atol=1e-9)
        assert ours.coef_.shape == theirs.coef_.shape
        assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7, atol=1e-9)
        assert ours.predict(X).shape == theirs.predict(X).shape
        assert ours.n_iter_ is None
        assert ours.solver_ == "cholesky"


def test_alpha_per_target_and_scalar_weight_agree_with_scikit_learn():
    X, y, _, _ = problem(30, 5, 3)
    for weight in (None, 2.5):
        theirs = linear_model.Ridge(alpha=[0.1, 1.0, 10.0], solver="svd").fit(X, y, weight)
        ours = Ridge(alpha=[0.1, 1.0, 10.0]).fit(X, y, weight)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)
    assert ours.dual_gap_.shape == (3,)
    with pytest.raises(ValueError, match="Number of targets and number of penalties"):
        Ridge(alpha=[0.1, 1.0]).fit(X, y)
    with pytest.raises(ValueError, match="alpha"):
        Ridge(alpha=[0.1, 1.0, -1.0]).fit(X, y)


@pytest.mark.parametrize("shape", [(60, 8), (8, 60)], ids=str)
@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csr_array, sparse.coo_array])
def test_sparse_is_dense(shape, form):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) * (rng.random(shape) < 0.3) + 0.0
    y, weight = rng.standard_normal((shape[0], 2)), rng.uniform(0, 2, shape[0])
    factor = rng.uniform(0, 1, shape[1])
    factor[0] = 0.0
    settings = {"alpha": 0.5, "penalty_factor": factor, "standardize": True}
    dense, ours = Ridge(**settings).fit(X, y, weight), Ridge(**settings).fit(form(X), y, weight)
    np.testing.assert_allclose(ours.coef_, dense.coef_, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(ours.intercept_, dense.intercept_, rtol=1e-8, atol=1e-11)
    dense, ours = (RidgeCV(alphas=GRID).fit(x, y, weight) for x in (X, form(X)))
    assert ours.alpha_ == dense.alpha_
    np.testing.assert_allclose(ours.best_score_, dense.best_score_, rtol=1e-9)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)], ids=str)
def test_penalty_factor(shape):
    X, y, weight, factor = problem(*shape, weighted=True, free=2)
    ours = Ridge(alpha=2.0, penalty_factor=factor).fit(X, y, weight)
    coef, intercept = reference.ridge(X, y, 2.0, weight, factor)
    np.testing.assert_allclose(ours.coef_, coef, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.intercept_, intercept, rtol=1e-8, atol=1e-10)
    assert ours.dual_gap_ <= 1e-12


def test_standardize_is_the_penalty_on_scaled_columns():
    X, y, weight, _ = problem(50, 6, weighted=True)
    ours = Ridge(alpha=2.0, standardize=True).fit(X, y, weight)
    mean = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    theirs = linear_model.Ridge(alpha=2.0, solver="svd").fit(X / scale, y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_ / scale, rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)


@pytest.mark.parametrize("shape", [(60, 8), (8, 60)], ids=str)
@pytest.mark.parametrize("targets", [None, 2])
def test_bounds_by_their_optimality_conditions(shape, targets):
    X, y, weight, _ = problem(*shape, targets, weighted=True)
    alpha = 1.5
    for lower, upper in ((0.0, None), (-0.05, 0.1), (None, 0.0)):
        ours = Ridge(alpha=alpha, lower=lower, upper=upper, tol=1e-8).fit(X, y, weight)
        low, high = -np.inf if lower is None else lower, np.inf if upper is None else upper
        coef = np.atleast_2d(ours.coef_)
        residual = (y - ours.predict(X)).reshape(len(X), -1)
        gradient = -2 * (X.T @ (weight[:, None] * residual)).T + 2 * alpha * coef
        small = 1e-3 * np.abs(X).max() * np.linalg.norm(y)
        assert np.all((coef >= low) & (coef <= high))
        assert np.all(np.abs(gradient[(coef > low) & (coef < high)]) < small)
        assert np.all(gradient[coef == low] > -small)
        assert np.all(gradient[coef == high] < small)
        assert np.all(ours.dual_gap_ >= 0)
        assert ours.converged_
        assert ours.solver_ == "coordinate_descent"
        assert ours.n_iter_.shape == (targets or 1,)
    positive = Ridge(alpha=alpha, positive=True, tol=1e-8).fit(X, y, weight)
    theirs = linear_model.Ridge(alpha=alpha, positive=True, tol=1e-10).fit(X, y, weight)
    best, other = (ridge_objective(X, y, model.coef_, model.intercept_, alpha, weight) for model in (positive, theirs))
    assert np.all(best <= other * (1 + 1e-8))


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (20, 20)], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_alpha_0_is_least_squares_of_minimum_norm(shape, fit_intercept):
    X, y, _, _ = problem(*shape)
    X = np.column_stack([X, X[:, 0], X[:, 1] - X[:, 2]])
    ours = Ridge(alpha=0.0, fit_intercept=fit_intercept).fit(X, y)
    mean, y_mean = (X.mean(axis=0), y.mean()) if fit_intercept else (0.0, 0.0)
    coef = np.linalg.pinv(X - mean, rcond=1e-12) @ (y - y_mean)
    np.testing.assert_allclose(ours.coef_, coef, rtol=1e-6, atol=1e-8)
    assert ours.converged_
    assert ours.solver_ == "svd" if shape[0] > shape[1] + 2 else ours.solver_ in ("svd", "cholesky", "eigen")


def test_dependent_columns_share_a_coefficient():
    X, y, _, _ = problem(30, 4)
    twice = Ridge(alpha=1e-3).fit(np.hstack([X, X]), y)
    np.testing.assert_allclose(twice.coef_[:4], twice.coef_[4:], rtol=1e-6)
    half = Ridge(alpha=0.5e-3).fit(X, y)
    np.testing.assert_allclose(twice.coef_[:4] * 2, half.coef_, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("free", [False, True])
def test_constant_columns_get_no_coefficient(alpha, free):
    X, y, _, _ = problem(30, 4)
    X[:, 1] = 7.0
    ours = Ridge(alpha=alpha, penalty_factor=[1, 0, 1, 1] if free else None).fit(X, y)
    keep = [0, 2, 3]
    alone = Ridge(alpha=alpha).fit(X[:, keep], y)
    assert ours.coef_[1] == 0
    np.testing.assert_allclose(ours.coef_[keep], alone.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, alone.intercept_, rtol=1e-9)
    every = Ridge(alpha=alpha).fit(np.ones((5, 2)), np.arange(5.0))
    np.testing.assert_array_equal(every.coef_, 0)
    assert every.intercept_ == pytest.approx(2.0)


def test_one_row_and_one_column():
    one = Ridge().fit([[2.0, 3.0]], [5.0])
    np.testing.assert_array_equal(one.coef_, 0)
    assert one.intercept_ == 5.0
    none = Ridge(fit_intercept=False).fit([[2.0]], [5.0])
    np.testing.assert_allclose(none.coef_, [10.0 / 5.0])
    constant = Ridge().fit([[1.0], [2.0], [3.0]], [4.0, 4.0, 4.0])
    assert constant.coef_[0] == 0
    assert constant.dual_gap_ == 0


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)], ids=str)
def test_extreme_alphas(shape):
    X, y, _, _ = problem(*shape)
    huge = Ridge(alpha=1e300).fit(X, y)
    assert np.abs(huge.coef_).max() < 1e-290
    assert huge.intercept_ == pytest.approx(y.mean())
    assert huge.converged_
    zero = Ridge(alpha=0.0).fit(X, y)
    for alpha in (1e-12, 1e-30, 1e-300):
        tiny = Ridge(alpha=alpha).fit(X, y)
        np.testing.assert_allclose(tiny.coef_, zero.coef_, rtol=1e-6, atol=1e-9)
        assert tiny.converged_


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)], ids=str)
def test_shifting_the_columns_changes_only_the_intercept(shape):
    X, y, weight, factor = problem(*shape, weighted=True, free=2)
    base = Ridge(penalty_factor=factor).fit(X, y, weight)
    far = Ridge(penalty_factor=factor).fit(X + 1e7, y, weight)
    np.testing.assert_allclose(far.coef_, base.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(far.predict(X + 1e7), base.predict(X), rtol=1e-5, atol=1e-5)


def test_ill_conditioned():
    """Condition 1e10: its square is beyond a float64 Gram."""
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.standard_normal((100, 8)))
    right, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    X = left * np.geomspace(1, 1e-10, 8) @ right
    y = rng.standard_normal(100)
    for alpha in (0.0, 1e-18, 1e-8):
        ours = Ridge(alpha=alpha, fit_intercept=False).fit(X, y)
        coef, intercept = reference.ridge(X, y, alpha, fit_intercept=False)
        best = ridge_objective(X, y, coef, intercept, alpha)
        assert ridge_objective(X, y, ours.coef_, 0.0, alpha) <= best * (1 + 1e-9)
        assert ours.converged_


def test_bad_arguments():
    X, y, _, _ = problem(20, 3)
    for settings in ({"solver": "magic"}, {"alpha": -1.0}, {"alpha": np.nan}, {"tol": -1.0}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            Ridge(**settings).fit(X, y)
    for settings in (
        {"penalty_factor": [1, 2]},
        {"penalty_factor": [1, 2, -1]},
        {"lower": 1.0},
        {"upper": -1.0},
    ):
        with pytest.raises(ValueError, match=next(iter(settings))):
            Ridge(**settings).fit(X, y)
    with pytest.raises(ValueError, match="overflow"):
        Ridge().fit(X * 1e200, y * 1e200)
    with pytest.raises(ValueError, match="cv"):
        RidgeCV(lower=0).fit(X, y)
    with pytest.raises(ValueError, match="n_samples=1"):
        RidgeCV().fit(X[:1], y[:1])
    for alphas in ([1.0, -1.0], [0.0, 1.0], [np.inf], []):
        with pytest.raises(ValueError, match="alphas"):
            RidgeCV(alphas=alphas).fit(X, y)
    with pytest.raises(TypeError, match="alphas"):
        RidgeCV(alphas=["a", "b"]).fit(X, y)
    with pytest.raises(ValueError, match="overflow|not finite"):
        RidgeCV().fit(X, y * 1e200)


def test_a_fit_that_stops_early_warns(monkeypatch):
    monkeypatch.setattr(solver, "_SPARSE_DIRECT", 1)
    X = sparse.random(100, 30, density=0.3, random_state=0, format="csc")
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        ours = Ridge(alpha=1e-3, max_iter=2, tol=1e-10).fit(X, np.arange(100.0))
    assert not ours.converged_
    assert ours.n_iter_.tolist() == [2]


@pytest.mark.parametrize("shape", [(3, 20), (20, 3)])
@pytest.mark.parametrize("alpha", [0.0, 1e-300, 1.0])
def test_nothing_but_zeros(shape, alpha):
    """No alpha is too small beside them."""
    y = np.arange(shape[0], dtype=float)
    model = Ridge(alpha).fit(np.zeros(shape), y)
    np.testing.assert_array_equal(model.coef_, 0)
    assert model.converged_
    assert model.dual_gap_ <= 1e-20
