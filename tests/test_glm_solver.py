"""solve_glm: optimality conditions, certificates and laws of every loss, on every storage."""

import numpy as np
import pytest
from scipy import sparse

from fastreg.design import Design
from fastreg.losses import Gamma, Logistic, Poisson, Squared, Tweedie
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import glm_alpha_grid, glm_fold_paths, prox_newton, ridge_glm, shortlist, solve_glm, solve_path

LOSSES = {
    "logistic": Logistic(),
    "poisson": Poisson(),
    "gamma": Gamma(),
    "tweedie": Tweedie(1.5),
    "tweedie 3": Tweedie(3),
    "squared": Squared(),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def data(name, n=120, p=12, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p)
    eta = X[:, :3] @ [0.5, -0.4, 0.3]
    X = X + shift
    y = {
        "logistic": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "tweedie": lambda: rng.poisson(np.exp(eta)) * rng.gamma(2, 0.5, n),
    }.get(name, lambda: np.exp(eta) * rng.gamma(2, 0.5, n))()
    return X, y


def objective(loss, X, y, s, coef, intercept, penalty, alpha, offset=0.0):
    return loss(X @ coef + intercept + offset, y, s)[0] + penalty.value(coef, alpha)


def violation(loss, X, y, s, coef, intercept, penalty, alpha, offset=0.0):
    """Largest KKT violation, that of the intercept included."""
    gradient = loss(X @ coef + intercept + offset, y, s)[1]
    return penalty.violation(-X.T @ gradient, coef, alpha).max(), abs(gradient.sum())


@every_loss
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("extras", ["plain", "factor", "bounds", "offset", "weights"])
@pytest.mark.parametrize("way", ["one loop", "steps", "sets", "together"])
def test_optimality(name, l1_ratio, fit_intercept, extras, way, monkeypatch):
    if way != "one loop":
        monkeypatch.setattr(prox_newton, "ELEMENTS", 0)
    if way == "sets":
        monkeypatch.setattr(prox_newton, "SMALL", 0)
    if way != "together":
        monkeypatch.setattr("fastreg.solvers.glm_path.shares_steps", lambda *problem: False)
    loss = LOSSES[name]
    X, y = data(name)
    n, p = X.shape
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 3, n).astype(float) if extras == "weights" else None
    offset = rng.standard_normal(n) if extras == "offset" else None
    more = {
        "factor": {"factor": rng.choice([0.0, 1.0, 2.0], p)},
        "bounds": {"lower": np.where(np.arange(p) % 2, -0.1, -np.inf), "upper": np.where(np.arange(p) % 3, 0.2, 0.0)},
    }.get(extras, {})
    penalty = FeatureL1L2(p, l1_ratio, **more)
    alphas = np.array([0.05, 0.01])
    design = Design(X, weight, fit_intercept=fit_intercept)
    path = solve_glm(design, loss, y, alphas, penalty, offset=offset, tol=1e-10, max_iter=200)
    assert path.converged.all()
    for k, alpha in enumerate(alphas):
        args = loss, X, y, design.weights, path.coefs[k], path.intercepts[k], penalty, alpha
        at = 0.0 if offset is None else offset
        wrong, slope = violation(*args, offset=at)
        assert wrong < (1e-5 if loss.convex else 1e-4)
        assert not fit_intercept or slope < 1e-10
        assert path.primals[k] == pytest.approx(objective(*args, offset=at), rel=1e-10)


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma", "tweedie", "squared"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gap_is_a_bound(name, l1_ratio, fit_intercept):
    """No fit is further from the optimum than its gap says."""
    loss = LOSSES[name]
    X, y = data(name)
    penalty, alphas = FeatureL1L2(X.shape[1], l1_ratio, np.repeat([0.0, 1.0], [2, 10])), np.array([0.02])
    best = solve_glm(Design(X, fit_intercept=fit_intercept), loss, y, alphas, penalty, tol=1e-12, max_iter=300)
    for steps in (1, 2, 3, 5):
        loose = solve_glm(Design(X, fit_intercept=fit_intercept), loss, y, alphas, penalty, tol=1e-12, max_iter=steps)
        assert loose.primals[0] - best.primals[0] <= loose.dual_gaps[0] + 1e-14
    assert best.dual_gaps[0] <= 1e-12 * best.null


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma", "tweedie", "squared"])
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_unpenalised_within_bounds(name, alpha, fit_intercept):
    """What is held by a bound, not by a charge: the gap closes, and is a bound before it does."""
    loss = LOSSES[name]
    X, y = data(name)
    p = X.shape[1]
    index = np.arange(p)
    lower, upper = np.where(index % 2, -0.1, 0.0), np.where(index % 3, np.inf, 0.1)
    penalty, alphas = FeatureL1L2(p, 1.0, np.repeat([0.0, 1.0], [8, 4]), lower, upper), np.array([alpha])
    fits = [
        solve_glm(Design(X, fit_intercept=fit_intercept), loss, y, alphas, penalty, tol=1e-10, max_iter=steps)
        for steps in (100, 1, 2, 3)
    ]
    best = fits[0]
    assert best.converged.all()
    s = Design(X).weights
    assert violation(loss, X, y, s, best.coefs[0], best.intercepts[0], penalty, alpha)[0] < 1e-5
    for fit in fits[1:]:
        assert fit.primals[0] - best.primals[0] <= fit.dual_gaps[0] + 1e-14


@every_loss
@pytest.mark.parametrize("standardize", [False, True])
def test_storages(name, standardize):
    """Sparse = dense = C = F = integers; float32 nearly; X is shifted away from its mean."""
    X, y = data(name, shift=3)
    X = np.round(X * 4)
    X[np.abs(X) < 6] = 0
    penalty, alphas = FeatureL1L2(X.shape[1], 0.7), np.array([0.3])
    fits = [
        solve_glm(Design(Z, fit_intercept=True, standardize=standardize), LOSSES[name], y, alphas, penalty, tol=1e-12)
        for Z in (X, np.asfortranarray(X), sparse.csc_array(X), X.astype(np.int8), X.astype(np.float32))
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.coefs, fits[0].coefs, atol=1e-6)
        np.testing.assert_allclose(fit.intercepts, fits[0].intercepts, atol=1e-5)


@every_loss
def test_weights_are_repetitions(name):
    X, y = data(name)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    penalty, alphas = FeatureL1L2(X.shape[1], 0.7), np.array([0.02])
    a = solve_glm(Design(X, weight), LOSSES[name], y, alphas, penalty, tol=1e-12)
    b = solve_glm(Design(X[rows]), LOSSES[name], y[rows], alphas, penalty, tol=1e-12)
    np.testing.assert_allclose(a.coefs, b.coefs, atol=1e-6)


@pytest.mark.parametrize("make", [np.asfortranarray, sparse.csc_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_wide_and_path(name, make):
    """More columns than rows, on the way from alpha_max: each fit of a path is the fit on its own."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 400)) * (rng.random((60, 400)) < 0.4)
    eta = X[:, :3].sum(axis=1)
    y = (eta > 0).astype(float) if name == "logistic" else rng.poisson(np.exp(0.3 * eta)).astype(float)
    loss, penalty = LOSSES[name], FeatureL1L2(400, 1.0)
    alphas = glm_alpha_grid(Design(make(X)), loss, y, penalty, eps=0.05, n_alphas=6)
    path = solve_glm(Design(make(X)), loss, y, alphas, penalty, tol=1e-8)
    assert path.converged.all()
    assert not path.coefs[0].any()
    assert path.coefs[1].any()
    for k in (1, 5):
        alone = solve_glm(Design(make(X)), loss, y, alphas[k : k + 1], penalty, tol=1e-8)
        assert alone.converged.all()
        assert alone.primals[0] == pytest.approx(path.primals[k], rel=3e-8)
        assert violation(loss, X, y, Design(X).weights, path.coefs[k], path.intercepts[k], penalty, alphas[k])[0] < 1e-4


@pytest.mark.parametrize("share", [10, 40])
def test_shortlist(share, monkeypatch):
    """Columns that are looked at between passes over X decide what a fit costs, not its answer or its certificate."""
    passes, products = [], Design._products

    def counted(design, U, cols):
        passes.append(cols is None)
        return products(design, U, cols)

    monkeypatch.setattr(Design, "_products", counted)
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.standard_normal((100, 2000)))
    raw = X[:, :5].sum(axis=1) + rng.standard_normal(100)
    loss, penalty, y = Logistic(), FeatureL1L2(2000), (raw > 0).astype(float)
    alphas = glm_alpha_grid(Design(X), loss, y, penalty, eps=0.02, n_alphas=2)[1:]

    def fit(**options):
        passes.clear()
        return solve_glm(Design(X), loss, y, alphas, penalty, **options), sum(passes)

    best, without = fit(tol=1e-10)
    monkeypatch.setattr(shortlist, "LOOK", 0)
    monkeypatch.setattr(shortlist, "SHORTLIST", share)
    path, some = fit(tol=1e-10)
    assert path.converged.all()
    np.testing.assert_allclose(path.coefs, best.coefs, atol=1e-4)
    assert some < without
    for steps in (1, 2, 4, 8, 12):
        loose, _ = fit(tol=1e-10, max_iter=steps)
        assert loose.primals[0] - best.primals[0] <= loose.dual_gaps[0] + 1e-14


@pytest.mark.parametrize("make", [np.asfortranarray, sparse.csc_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_many_columns_under_ridge(make, fit_intercept):
    """No Gram matrix of all columns: conjugate gradients."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 1600)) * (rng.random((50, 1600)) < 0.3) + (0 if make is sparse.csc_array else 2)
    y = (X[:, :5].sum(axis=1) > 0).astype(float)
    penalty = FeatureL1L2(1600, 0.0)
    design = Design(make(X), fit_intercept=fit_intercept)
    path = solve_glm(design, Logistic(), y, np.array([0.1]), penalty, tol=1e-9)
    assert path.converged.all()
    wrong, slope = violation(Logistic(), X, y, design.weights, path.coefs[0], path.intercepts[0], penalty, 0.1)
    assert wrong < 1e-4
    assert not fit_intercept or slope < 1e-10


@pytest.mark.parametrize("l1_ratio", [1.0, 0.99, 1 - 1e-6])
@pytest.mark.parametrize("name", ["poisson", "tweedie"])
def test_rows_whose_curvature_vanishes(name, l1_ratio):
    """Rates of 0 are a small share of all curvature, and all of it for the columns that predict them."""
    X, y = data(name, n=30, p=70)
    path = solve_glm(Design(X), LOSSES[name], y, np.array([1e-3]), FeatureL1L2(70, l1_ratio), tol=1e-8, max_iter=40)
    assert path.converged.all()


@pytest.mark.parametrize("way", ["one loop", "steps"])
def test_a_little_l2_on_equal_columns(way, monkeypatch):
    """A violation far below l1 is a large gap there, at scale 1."""
    if way == "steps":
        monkeypatch.setattr(prox_newton, "ELEMENTS", 0)
    design = Design(np.array([[-1.0, 1.0, -1.0]]), fit_intercept=False)
    penalty = FeatureL1L2(3, 1 - 1e-6)
    path = solve_glm(design, Logistic(), np.array([0.8]), np.array([3e-4]), penalty, tol=1e-8)
    assert path.converged.all()


def test_intercept_in_units_of_y():
    """It arrives with the first steps, however large y is."""
    X, y = data("squared", n=5, p=70)
    fits = [
        solve_glm(Design(X), Squared(), size * y, np.array([size * 1e-2]), FeatureL1L2(70), tol=1e-8)
        for size in (1.0, 1e6)
    ]
    assert fits[1].converged.all()
    assert fits[1].n_iters[0] <= fits[0].n_iters[0] + 2
    np.testing.assert_allclose(fits[1].intercepts, 1e6 * fits[0].intercepts, rtol=1e-6)


def test_squared_is_least_squares():
    X, y = data("squared")
    penalty, alphas = FeatureL1L2(X.shape[1], 0.5), np.array([0.1, 0.01])
    a = solve_glm(Design(X), Squared(), y, alphas, penalty, tol=1e-12)
    b = solve_path(Design(X), y, alphas, penalty, tol=1e-12)
    np.testing.assert_allclose(a.coefs, b.coefs, atol=1e-7)
    np.testing.assert_allclose(a.primals, b.primals, rtol=1e-11)


def test_separable_data_end():
    """Without a penalty coefficients grow without end: the loss goes to 0, and the steps stop."""
    X = np.linspace(-1, 1, 40)[:, None]
    y = (X[:, 0] > 0).astype(float)
    path = solve_glm(Design(X), Logistic(), y, np.array([0.0]), FeatureL1L2(1), tol=1e-6, max_iter=100)
    assert np.isfinite(path.coefs).all()
    assert path.primals[0] <= 1e-6
    path = solve_glm(Design(X), Logistic(), y, np.array([1e-3]), FeatureL1L2(1), tol=1e-8)
    assert path.converged.all()


def test_offsets_of_any_size():
    """A constant offset moves the intercept only; rates of 0 and rare events give finite numbers."""
    X, y = data("poisson")
    penalty, alphas = FeatureL1L2(X.shape[1], 0.5), np.array([0.02])
    plain = solve_glm(Design(X), Poisson(), y, alphas, penalty, tol=1e-10)
    for size in (1e2, -1e4):
        moved = solve_glm(Design(X), Poisson(), y, alphas, penalty, offset=np.full(len(y), size), tol=1e-10)
        np.testing.assert_allclose(moved.coefs, plain.coefs, atol=1e-6)
        assert moved.intercepts[0] + size == pytest.approx(plain.intercepts[0], abs=1e-6)
    zero = solve_glm(Design(X), Poisson(), np.zeros(len(y)), alphas, penalty)
    assert np.isfinite(zero.coefs).all()
    free = FeatureL1L2(X.shape[1], 0.5, np.arange(X.shape[1]) % 2)
    offset = np.random.default_rng(0).standard_normal(len(y))
    assert np.isfinite(glm_alpha_grid(Design(X), Poisson(), np.zeros(len(y)), free, offset=offset)).all()
    assert np.isfinite(glm_alpha_grid(Design(X), Poisson(), np.zeros(len(y)), free, offset=900 * offset)).all()
    rare = np.zeros(len(y))
    rare[3] = 1
    assert solve_glm(Design(X), Logistic(), rare, np.array([1e-3]), penalty, tol=1e-8).converged.all()


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma"])
@pytest.mark.parametrize("spread", [50.0, 300.0, 1e4])
@pytest.mark.parametrize("alpha", [0.1, 1e-3])
def test_huge_offsets(name, spread, alpha):
    """Losses that are all but piecewise linear: rows of no curvature, and dual points at the end of their domain."""
    X, y = data(name)
    offset = spread * np.random.default_rng(0).standard_normal(len(y))
    penalty, design = FeatureL1L2(X.shape[1], 0.5), Design(X)
    with np.errstate(all="ignore"):
        path = solve_glm(design, LOSSES[name], y, np.array([alpha]), penalty, offset=offset, tol=1e-4)
    assert path.converged.all()
    assert path.null < 10 * spread * max(1, y.max())


@pytest.mark.parametrize("size", [50.0, 300.0])
def test_without_an_intercept_tolerances_refer_to_what_is_reached(size):
    """P(0) is a number without meaning there: features that make up for the offset bring the objective far below."""
    X, y = data("poisson")
    X = np.column_stack([X, np.ones(len(y))])
    alphas, free = np.array([0.02]), np.repeat([1.0, 0.0], [12, 1])
    design = Design(X, fit_intercept=False)
    offset = np.full(len(y), size)
    penalty = FeatureL1L2(13, 0.5, free)
    path = solve_glm(design, Poisson(), y, alphas, penalty, offset=offset, tol=1e-9, max_iter=2000)
    plain = solve_glm(Design(X[:, :-1]), Poisson(), y, alphas, FeatureL1L2(12, 0.5), tol=1e-9)
    assert path.converged.all()
    np.testing.assert_allclose(path.coefs[0, :-1], plain.coefs[0], atol=1e-4)
    assert path.null == pytest.approx(plain.null)


@pytest.mark.parametrize("way", ["one loop", "steps"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [1e9, 1e12, 1e100])
def test_a_penalty_lost_in_the_rounding_of_large_y(size, l1_ratio, way, monkeypatch):
    """It is none: its conjugate of that rounding would be all of the gap."""
    if way == "steps":
        monkeypatch.setattr(prox_newton, "ELEMENTS", 0)
    X, y = data("poisson")
    fits = [
        solve_glm(Design(X), Poisson(), size * y, np.array([alpha]), FeatureL1L2(X.shape[1], l1_ratio), tol=1e-8)
        for alpha in (1e-12, 1e-6, 0.0)
    ]
    for fit in fits:
        assert fit.converged.all()
        np.testing.assert_allclose(fit.coefs, fits[-1].coefs, atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma", "tweedie", "squared"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("storage", [np.asfortranarray, np.ascontiguousarray, sparse.csc_array])
def test_folds_that_share_their_steps(name, fit_intercept, standardize, storage, monkeypatch):
    """Every fold ends at the optimum of its training rows, on columns that are constant on some of them as well."""
    monkeypatch.setattr(ridge_glm, "STALE", 3)
    loss = LOSSES[name]
    X, y = data(name, n=150, p=70, shift=0.0 if storage is sparse.csc_array else 1.0)
    X[np.abs(X) < 0.3] = 0.0
    X[50:, 5] = 2.0  # the first fold's training rows
    rng = np.random.default_rng(1)
    weight, offset, factor = rng.uniform(0, 2, 150), 0.3 * rng.standard_normal(150), rng.uniform(0.5, 2, 70)
    folds = [(np.setdiff1d(np.arange(150), test), test) for test in np.arange(150).reshape(3, 50)]
    alphas, penalty = np.array([0.3, 0.1, 0.01, 1e-3]), FeatureL1L2(70, 0.0, factor)
    design = Design(storage(X), fit_intercept=fit_intercept, standardize=standardize)
    paths = glm_fold_paths(
        design, loss, y, weight, folds, alphas, [penalty], offset=offset, tol=1e-9, max_iter=200,
        measure=lambda k, raw: raw.mean(axis=1),
    )  # fmt: skip
    assert paths.converged.all()
    for k, (train, test) in enumerate(folds):
        part = Design(X[train], weight[train], fit_intercept=fit_intercept, standardize=standardize)
        charged = FeatureL1L2(70, 0.0, factor * part.scale**2)
        for j, alpha in enumerate(alphas):
            coef, intercept = paths.coefs[k, 0, j], paths.intercepts[k, 0, j]
            args = loss, X[train], y[train], part.weights, coef, intercept, charged, alpha
            wrong, slope = violation(*args, offset=offset[train])
            assert wrong**2 <= 2 * alpha * charged.factor.max() * 1.01e-9 * paths.nulls[k]  # what the gap says
            assert not fit_intercept or slope < 1e-10
            expected = (X[test] @ coef + intercept + offset[test]).mean()
            assert paths.scores[k, 0, j] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert not fit_intercept or (paths.coefs[0, 0, :, 5] == 0).all()


def test_steps_that_are_shared_on_hard_data():
    """Separated classes, dependent columns, huge counts: as good as by themselves."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 70))
    X[:, 40:] = X[:, :30] * 3  # of rank 40
    for loss, y in (
        (Logistic(), (X[:, 0] > 0).astype(float)),
        (Logistic(), (np.arange(200) < 3).astype(float)),
        (Poisson(), np.round(np.exp(6 + 3 * X[:, 0]))),
    ):
        for alpha in (1e-3, 1e-8):
            path = solve_glm(Design(X), loss, y, np.array([alpha]), FeatureL1L2(70, 0.0), tol=1e-9, max_iter=300)
            assert path.converged.all()
            wrong = violation(
                loss, X, y, Design(X).weights, path.coefs[0], path.intercepts[0], FeatureL1L2(70, 0.0), alpha
            )
            assert max(wrong) <= 1e-5 * path.null


@pytest.mark.parametrize("p", [12, 80])
def test_the_gap_is_that_of_the_alpha_asked_for(p):
    """Where alpha is taken for 0, what it charges belongs to the objective all the same."""
    X, y = data("poisson", n=200, p=p)
    for alpha in (1e-19, 1e-30):
        path = solve_glm(Design(X), Poisson(), y, np.array([alpha]), FeatureL1L2(p, 1.0), tol=1e-8)
        fitted = objective(Poisson(), X, y, Design(X).weights, path.coefs[0], path.intercepts[0], FeatureL1L2(p), alpha)
        assert path.primals[0] == pytest.approx(fitted, rel=1e-12)
        assert path.dual_gaps[0] >= FeatureL1L2(p).value(path.coefs[0], alpha)
