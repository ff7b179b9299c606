"""HuberRegressor and QuantileRegressor against scikit-learn, and their laws."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from fastreg import HuberRegressor, QuantileRegressor


def data(n=120, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p) + 1
    return X, X[:, :3] @ [1.0, -1, 0.5] + rng.standard_t(1.5, n) + 3


def weights(n, integer=False):
    rng = np.random.default_rng(1)
    return rng.integers(0, 3, n).astype(float) if integer else rng.uniform(0, 2, n)


def pinball(model, X, y, v):
    q, v, r = model.quantile, v / v.sum(), y - X @ model.coef_ - model.intercept_
    return v @ np.maximum(q * r, (q - 1) * r) + model.alpha * np.abs(model.coef_).sum()


def huber(model, X, y, v):
    z = np.abs(y - X @ model.coef_ - model.intercept_) / model.scale_
    loss = np.where(z < model.epsilon, z**2, 2 * model.epsilon * z - model.epsilon**2)
    ratio = getattr(model, "l1_ratio", 0.0)
    w = model.coef_
    return model.scale_ * (v @ (1 + loss)) + model.alpha * (ratio * np.abs(w).sum() + (1 - ratio) * w @ w)


@pytest.mark.parametrize(("n", "p"), [(120, 8), (60, 90), (40, 1300)])
@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.2, 30.0])
@pytest.mark.parametrize(("q", "fit_intercept"), [(0.5, True), (0.85, True), (0.3, False)])
def test_quantile_reaches_the_optimum_of_the_linear_program(n, p, alpha, q, fit_intercept):
    X, y = data(n, p)
    v = weights(n)
    kwargs = {"quantile": q, "alpha": alpha, "fit_intercept": fit_intercept}
    ours = QuantileRegressor(**kwargs).fit(X, y, v)
    theirs = linear_model.QuantileRegressor(**kwargs).fit(X, y, v)
    best = pinball(theirs, X, y, v)
    assert pinball(ours, X, y, v) <= best + 1e-7 * np.abs(y).mean()
    assert ours.converged_
    assert pinball(ours, X, y, v) - ours.dual_gap_ <= best + 1e-12  # the bound holds
    if alpha:
        assert (ours.coef_ != 0).sum() <= (theirs.coef_ != 0).sum() + 1


BOUNDS = {"free": {}, "sign": {"lower": 0}, "box": {"lower": -0.3, "upper": 0.2}, "one side": {"upper": 0.1}}


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize(("n", "p"), [(120, 8), (40, 1100)])
def test_quantile_with_l2_and_bounds_is_no_worse_than_its_neighbours(bounds, l1_ratio, alpha, n, p):
    X, y = data(n, p)
    v = weights(n)
    model = QuantileRegressor(quantile=0.7, alpha=alpha, l1_ratio=l1_ratio, standardize=True, **bounds).fit(X, y, v)
    assert model.converged_
    low, high = bounds.get("lower", -np.inf), bounds.get("upper", np.inf)
    w = model.coef_.copy()
    assert low <= w.min()
    assert w.max() <= high
    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=v)) ** 2, axis=0, weights=v))

    def objective(coef, intercept):
        r = y - X @ coef - intercept
        size = np.abs(coef) * scale
        charge = l1_ratio * size + (1 - l1_ratio) / 2 * size**2
        return v @ np.maximum(0.7 * r, -0.3 * r) / v.sum() + alpha * charge.sum()

    best, rng = objective(w, model.intercept_), np.random.default_rng(0)
    rounding = 1e-12 * np.abs(y).mean()
    for size in (1e-5, 1e-3, 0.1):
        for _ in range(40):
            move = size * rng.standard_normal(p) * (rng.random(p) < rng.choice([2 / p, 0.5]))
            b = model.intercept_ + size * rng.standard_normal()
            assert objective(np.clip(w + move, low, high), b) >= best - model.dual_gap_ - rounding
    if alpha and l1_ratio:
        assert (w == 0).any()
    if bounds and p == 8:
        assert np.isin(w, [low, high]).any()


@pytest.mark.parametrize("q", [0.2, 0.5])
def test_quantile_with_bounds_is_the_linear_program(q):
    X, y = data(60, 6)
    model = QuantileRegressor(quantile=q, alpha=0.02, lower=-0.5, upper=[0.1, 0.2, 0, 1, 2, 3]).fit(X, y)
    one, n = np.eye(60), 60
    columns = [X, -X, np.ones((n, 1)), -np.ones((n, 1)), one, -one]
    prices = [[0.02] * 12, [0, 0], [q / n] * n, [(1 - q) / n] * n]
    most = [0.1, 0.2, 0, 1, 2, 3] + [0.5] * 6 + [None] * (2 + 2 * n)
    best = linprog(np.concatenate(prices), A_eq=np.hstack(columns), b_eq=y, bounds=[(0, m) for m in most])
    assert pinball(model, X, y, np.ones(n)) == pytest.approx(best.fun, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_quantile_without_a_penalty_on_few_rows(shift, fit_intercept):
    """More features than rows, none at a bound: of all perfect fits one is found, to the end."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 60)) + shift
    y = X[:, 0] - shift + rng.standard_normal(30)
    model = QuantileRegressor(alpha=0, fit_intercept=fit_intercept).fit(X, y)
    assert model.converged_
    np.testing.assert_allclose(model.predict(X), y, atol=1e-7)


def test_quantile_with_ties_and_integers():
    """Degenerate: many equal rows, an optimum that is not unique."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (200, 6)).astype(float), rng.integers(0, 4, 200).astype(float)
    X[:, 5] = X[:, 4]
    for q, alpha in ((0.5, 0.0), (0.25, 0.01), (0.9, 0.0)):
        ours = QuantileRegressor(quantile=q, alpha=alpha).fit(X, y)
        theirs = linear_model.QuantileRegressor(quantile=q, alpha=alpha).fit(X, y)
        one = np.ones(200)
        assert pinball(ours, X, y, one) == pytest.approx(pinball(theirs, X, y, one), abs=1e-8)
        assert ours.converged_
    constant = QuantileRegressor(alpha=0.1).fit(X, np.full(200, 7.0))
    assert constant.intercept_ == pytest.approx(7)
    assert not constant.coef_.any()


@pytest.mark.parametrize("epsilon", [1.1, 1.35, 3.0])
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 5.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_huber_against_scikit_learn(epsilon, alpha, fit_intercept):
    X, y = data()
    v = weights(len(y))
    kwargs = {"epsilon": epsilon, "alpha": alpha, "fit_intercept": fit_intercept}
    ours = HuberRegressor(**kwargs, tol=1e-9, max_iter=1000).fit(X, y, v)
    theirs = linear_model.HuberRegressor(**kwargs, tol=1e-8, max_iter=10000).fit(X, y, v)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)
    assert ours.scale_ == pytest.approx(theirs.scale_, rel=1e-3)
    assert huber(ours, X, y, v) <= huber(theirs, X, y, v) * (1 + 1e-9)
    assert huber(ours, X, y, v) - ours.dual_gap_ <= huber(theirs, X, y, v)
    assert (ours.outliers_ != theirs.outliers_).sum() <= 1
    assert ours.converged_


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_huber_bound_holds_and_no_step_is_downhill(l1_ratio):
    """The certificate bounds every looser fit, and random moves from the optimum are uphill."""
    X, y = data(60, 30)
    v = weights(60)
    kwargs = {"alpha": 3.0, "l1_ratio": l1_ratio}
    best = HuberRegressor(**kwargs, tol=1e-9, max_iter=2000).fit(X, y, v)
    optimum = huber(best, X, y, v)
    if l1_ratio:
        assert 0 < (best.coef_ == 0).sum() < 30
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 0.1):
        other = HuberRegressor(**kwargs, max_iter=1000).fit(X, y, v)
        other.coef_ = best.coef_ * (1 + size * rng.standard_normal(30))
        other.scale_, other.intercept_ = best.scale_ * (1 + size), best.intercept_ - size
        assert huber(other, X, y, v) > optimum
    for tol in (1e-1, 1e-3, 1e-5):
        loose = HuberRegressor(**kwargs, tol=tol, max_iter=1000).fit(X, y, v)
        assert huber(loose, X, y, v) - optimum <= loose.dual_gap_ + 1e-9
        assert loose.dual_gap_ >= 0


def test_huber_of_a_perfect_fit():
    """The scale falls as far as it may; more features than rows, or epsilon = 1, are such a fit as well."""
    for params, p in (({"epsilon": 1.0}, 8), ({"alpha": 3.0}, 200), ({"alpha": 3.0, "l1_ratio": 1.0}, 200)):
        X, y = data(60, p)
        fitted = HuberRegressor(**params, max_iter=1000).fit(X, y)
        assert fitted.converged_
        assert fitted.scale_ < 1e-2 * np.abs(y).mean()
    X, _ = data(40, 5)
    y = X @ np.arange(5.0) + 2
    fitted = HuberRegressor(alpha=0.0, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(fitted.coef_, np.arange(5.0), atol=1e-5)
    assert 0 < fitted.scale_ < 1e-5
    flat = HuberRegressor().fit(X, np.full(40, 3.0))
    assert flat.intercept_ == pytest.approx(3)
    assert np.isfinite(flat.scale_)


MODELS = [
    HuberRegressor(alpha=0.5, l1_ratio=0.5, tol=1e-9, max_iter=1000),
    QuantileRegressor(alpha=0.05, quantile=0.3),
]
both = pytest.mark.parametrize("model", MODELS, ids=["huber", "quantile"])


def fit(model, *args, **kwargs):
    return type(model)(**(model.get_params() | kwargs.pop("params", {}))).fit(*args, **kwargs)


@both
def test_weights_are_repetitions_and_weight_0_is_absence(model):
    X, y = data()
    v = weights(len(y), integer=True)
    rows = np.repeat(np.arange(len(y)), v.astype(int))
    a, b = fit(model, X, y, v), fit(model, X[rows], y[rows])
    np.testing.assert_allclose(a.coef_, b.coef_, atol=2e-5)
    assert a.intercept_ == pytest.approx(b.intercept_, abs=1e-4)


@both
def test_storages_shift_and_offset(model):
    X, y = data()
    X[np.abs(X) < 0.5] = 0
    fitted = fit(model, X, y)
    for Z in (np.asfortranarray(X), sparse.csc_array(X), sparse.csr_matrix(X)):
        other = fit(model, Z, y)
        np.testing.assert_allclose(other.coef_, fitted.coef_, atol=2e-5)
        np.testing.assert_allclose(other.predict(Z), fitted.predict(X), atol=1e-4)
    np.testing.assert_allclose(fit(model, X + 5, y).coef_, fitted.coef_, atol=2e-5)
    offset = np.arange(len(y)) / 10
    moved = fit(model, X, y + offset, offset=offset)
    np.testing.assert_allclose(moved.coef_, fitted.coef_, atol=2e-5)
    with pytest.raises(ValueError, match="offset has shape"):
        fit(model, X, y, offset=[1.0])


@both
def test_factors_and_scales(model):
    X, y = data()
    for params in ({"penalty_factor": [0, 1, 1, 1, 1, 1, 1, 1e6]}, {"standardize": True}):
        fitted = fit(model, X, y, params=params)
        assert fitted.converged_
        if "standardize" in params:
            scaled = fit(model, (X - X.mean(axis=0)) / X.std(axis=0), y)
            np.testing.assert_allclose(fitted.coef_ * X.std(axis=0), scaled.coef_, atol=1e-4)
        else:
            assert fitted.coef_[7] == pytest.approx(0, abs=1e-5)
    bounded = fit(model, X, y, params={"lower": 0, "upper": 0.4})
    assert bounded.coef_.min() >= 0
    assert bounded.coef_.max() == pytest.approx(0.4)
    assert bounded.converged_


@both
def test_not_converged_says_so(model):
    X, y = data()
    with pytest.warns(ConvergenceWarning, match="gap .* after 1 iter"):
        fit(model, X, y, params={"max_iter": 1, "tol": 1e-12})


@both
@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e100])
def test_units_of_y(model, scale):
    """Coefficients scale with y, where the penalty does."""
    X, y = data()
    power = 1 if isinstance(model, QuantileRegressor) else 0
    plain = fit(model, X, y, params={"alpha": 0.0})
    scaled = fit(model, X, scale * y, params={"alpha": 0.0 * power})
    np.testing.assert_allclose(scaled.coef_ / scale, plain.coef_, atol=1e-4)
