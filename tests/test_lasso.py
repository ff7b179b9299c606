"""The laws of the path estimators, each on every row of the table, and agreement with scikit-learn."""

import numpy as np
import pytest
from cases import PATH_ESTIMATORS
from laws import SHAPES, close, data, every_estimator, every_shape, fit, penalties, slack
from scipy import sparse

from fastreg import Lasso

# ---------------------------------------------------------------------------------------------------------
# optimality


@every_shape
@every_estimator
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_kkt(case, shape, fit_intercept, weighted):
    """Stationarity, computed here from X, y and the coefficients alone."""
    X, y = data(case, shape)
    weight = np.random.default_rng(1).uniform(0, 2, len(X)) if weighted else np.ones(len(X))
    factor = np.linspace(0.5, 1.5, X.shape[1])
    model = fit(case, X, y, weight if weighted else None, fit_intercept=fit_intercept, penalty_factor=factor)
    l1, l2 = penalties(case, X.shape[1], model)
    share = weight / weight.sum()
    residual = (y.T - np.atleast_2d(model.coef_) @ X.T) - np.atleast_1d(model.intercept_)[:, None]
    if fit_intercept:
        np.testing.assert_allclose(residual @ share, 0, atol=1e-9)
    coef = np.atleast_2d(model.coef_).T
    gradient = X.T @ (share * residual).T - l2[:, None] * coef
    norm = np.linalg.norm(coef, axis=1)
    assert (norm > 0).any()
    zero = norm == 0
    assert (np.linalg.norm(gradient[zero], axis=1) <= l1[zero] * (1 + slack(case))).all()
    subgradient = l1[~zero, None] * coef[~zero] / norm[~zero, None]
    np.testing.assert_allclose(gradient[~zero], subgradient, atol=10 * slack(case))


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_gap_certifies(case, shape):
    """The optimum is no further below than dual_gap_, and dual_gap_ is what tol promises."""
    X, y = data(case, shape)
    centred = y - y.mean(axis=0)
    null = 0.5 * (centred**2).sum() / len(X)

    def objective(model):
        l1, l2 = penalties(case, X.shape[1], model)
        norm = np.linalg.norm(np.atleast_2d(model.coef_), axis=0)
        residual = y - model.predict(X)
        return 0.5 * (residual**2).sum() / len(X) + l1 @ norm + 0.5 * l2 @ norm**2

    best = objective(fit(case, X, y))
    for tol in (1e-1, 1e-3, 1e-6):
        model = fit(case, X, y, tol=tol)
        assert objective(model) - best <= model.dual_gap_ + 1e-12 * null
        assert model.dual_gap_ <= tol * null * (1 + 1e-9)
        assert model.converged_


@every_shape
@every_estimator
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn(case, shape, weighted):
    X, y = data(case, shape)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(X)) if weighted else None
    theirs = case.theirs(**{**case.params, "tol": 1e-10, "max_iter": 100_000}).fit(X, y, sample_weight=weight)
    ours = fit(case, X, y, weight)
    close(ours, theirs, tol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-3)


@every_shape
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"])
def test_positive_is_lower_0(name, shape):
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, shape)
    theirs = case.theirs(**case.params, positive=True, tol=1e-10, max_iter=100_000).fit(X, y)
    positive = fit(case, X, y, positive=True)
    assert (positive.coef_ >= 0).all()
    close(positive, theirs, tol=1e-4)
    close(fit(case, X, y, lower=0), positive)


@every_shape
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"])
@pytest.mark.parametrize("standardize", [False, True])
def test_bounds(name, shape, standardize):
    """Bounds hold in the units of X; the projected gradient vanishes."""
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, shape)
    p = X.shape[1]
    lower, upper = np.full(p, -0.3), np.full(p, 0.4)
    upper[1] = lower[2] = 0
    model = fit(case, X, y, lower=lower, upper=upper, standardize=standardize)
    assert (model.coef_ >= lower - 1e-12).all()
    assert (model.coef_ <= upper + 1e-12).all()
    assert model.coef_[0] == pytest.approx(0.4)
    l1, l2 = penalties(case, p, model)
    scale = X.std(axis=0) if standardize else np.ones(p)
    gradient = X.T @ (y - model.predict(X)) / len(X)
    step = model.coef_ + gradient - l2 * scale**2 * model.coef_
    moved = np.clip(np.sign(step) * np.maximum(np.abs(step) - l1 * scale, 0), lower, upper)
    np.testing.assert_allclose(moved, model.coef_, atol=2e-5)


# ---------------------------------------------------------------------------------------------------------
# weights


@every_shape
@every_estimator
def test_weight_is_repetition(case, shape):
    X, y = data(case, shape)
    weight = np.random.default_rng(2).integers(0, 4, len(X))
    X_long, y_long = np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0)
    long, short = {}, {}
    if case.is_cv:
        # both copies of a row in the same fold
        rows, fold = np.arange(len(X)), np.arange(len(X)) % 3
        long_fold = np.repeat(fold, weight)
        short["cv"] = [(rows[fold != k], rows[fold == k]) for k in range(3)]
        rows = np.arange(len(X_long))
        long["cv"] = [(rows[long_fold != k], rows[long_fold == k]) for k in range(3)]
    close(fit(case, X, y, weight, **short), fit(case, X_long, y_long, **long))


@every_shape
@every_estimator
def test_only_proportions_of_weights_matter(case, shape):
    X, y = data(case, shape)
    weight = np.random.default_rng(2).uniform(0, 3, len(X))
    close(fit(case, X, y, weight), fit(case, X, y, 1e-9 * weight))
    close(fit(case, X, y, np.full(len(X), 7)), fit(case, X, y))
    close(fit(case, X, y, 7.0), fit(case, X, y))


# ---------------------------------------------------------------------------------------------------------
# invariances


@every_shape
@every_estimator
@pytest.mark.parametrize("make", [np.asarray, sparse.csc_array])
def test_shift_changes_only_the_intercept(case, shape, make):
    X, y = data(case, shape)
    shift = np.linspace(-100, 100, X.shape[1])
    plain, shifted = fit(case, make(X), y), fit(case, make(X + shift), y + 1000)
    np.testing.assert_allclose(shifted.coef_, plain.coef_, atol=5 * slack(case))
    np.testing.assert_allclose(shifted.intercept_, plain.intercept_ + 1000 - plain.coef_ @ shift, rtol=5 * slack(case))


@every_shape
@every_estimator
@pytest.mark.parametrize("weighted", [False, True])
def test_standardize_is_scaling_by_hand(case, shape, weighted):
    X, y = data(case, shape)
    params, weight = {}, None
    if case.is_cv:  # folds scale by their own training rows, so one fold and its complement say little
        params = {"alphas": [0.1]}
    if weighted:
        weight = np.random.default_rng(2).uniform(0, 3, len(X))
    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight))
    scale[3] = 1.0
    model = fit(case, X, y, weight, standardize=True, **params)
    by_hand = fit(case, X / scale, y, weight, **params)
    if case.is_cv and getattr(model, "l1_ratio_", 1) != getattr(by_hand, "l1_ratio_", 1):
        pytest.skip("the folds' own scales chose another l1_ratio")
    np.testing.assert_allclose(model.coef_, by_hand.coef_ / scale, atol=5 * slack(case))


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if "Lasso" in case.name], ids=str)
def test_penalty_factor_is_a_change_of_units(case, shape):
    """For the L1 penalty a factor of f on a feature is a factor of 1 on the feature divided by f."""
    X, y = data(case, shape)
    factor = np.linspace(0.5, 2, X.shape[1])
    scaled = fit(case, X / factor, y)
    model = fit(case, X, y, penalty_factor=factor)
    np.testing.assert_allclose(model.coef_ * factor, scaled.coef_, atol=5 * slack(case))


@every_estimator
def test_penalty_factor_0_is_no_penalty(case):
    """Under a huge alpha only the unpenalised features stay, at their least-squares values."""
    X, y = data(case, SHAPES["tall"])
    factor = np.ones(X.shape[1])
    factor[:2] = 0
    params = {"alphas": [1e6]} if case.is_cv else {"alpha": 1e6}
    model = fit(case, X, y, penalty_factor=factor, **params)
    least_squares = np.linalg.lstsq(np.column_stack([X[:, :2], np.ones(len(X))]), y, rcond=None)[0]
    np.testing.assert_allclose(np.atleast_2d(model.coef_)[:, :2], np.atleast_2d(least_squares[:2].T), rtol=1e-5)
    assert np.abs(np.atleast_2d(model.coef_)[:, 2:]).max() < 1e-5
    if case.is_cv:  # the automatic grid starts where only they are left
        model = fit(case, X, y, penalty_factor=factor)
        assert np.isfinite(model.mse_path_).all()


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_alpha_0_is_least_squares(case, shape):
    X, y = data(case, shape)
    model = case.make(alpha=0, max_iter=100_000).fit(X, y)
    design = np.column_stack([X, np.ones(len(X))])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    best, null = np.sum(residual**2), np.sum((y - y.mean(axis=0)) ** 2)
    assert np.sum((y - model.predict(X)) ** 2) <= best + 1e-3 * null


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_huge_alpha_is_the_mean(case):
    X, y = data(case, SHAPES["tall"])
    for alpha in (1e10, 1e300):
        model = case.make(alpha=alpha).fit(X, y)
        np.testing.assert_allclose(model.coef_, 0, atol=1e-8)
        np.testing.assert_allclose(model.intercept_, y.mean(axis=0))
        assert model.converged_


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_warm_start(case):
    X, y = data(case, SHAPES["wide"])
    cold = fit(case, X, y, alpha=0.05)
    warm = fit(case, X, y, alpha=0.06, warm_start=True)
    warm.alpha = 0.05
    close(warm.fit(X, y), cold)
    assert np.all(warm.fit(X, y).n_iter_ <= np.asarray(cold.n_iter_))
    # other shapes start afresh
    warm.fit(X[:, :7], y)
    close(warm, fit(case, X[:, :7], y, alpha=0.05))


def test_warm_start_outside_new_bounds():
    case = PATH_ESTIMATORS[0]
    X, y = data(case, SHAPES["tall"])
    model = fit(case, X, y, warm_start=True).set_params(upper=0.25)
    close(model.fit(X, y), fit(case, X, y, upper=0.25))
    assert model.coef_.max() <= 0.25


@pytest.mark.parametrize("name", ["Lasso", "ElasticNet"])
def test_targets_one_by_one(name):
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, SHAPES["tall"])
    Y = np.column_stack([y, -2 * y, X[:, 0]])
    model = fit(case, X, Y)
    for t in range(3):
        single = fit(case, X, Y[:, t])
        np.testing.assert_allclose(model.coef_[t], single.coef_, atol=1e-6)
        np.testing.assert_allclose(model.intercept_[t], single.intercept_, atol=1e-5)
    assert len(model.n_iter_) == len(model.converged_) == 3


@pytest.mark.parametrize("apart", [0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("strength", [0, 1e-2])
def test_columns_that_are_nearly_equal(apart, storage, strength):
    """Certified at a tight tolerance; without a penalty the fit is that of least squares."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20))
    X = np.hstack([X] + [X[:, :5] + apart * rng.standard_normal((200, 5)) for _ in range(2)])
    y = X[:, :8] @ rng.standard_normal(8) + 0.1 * rng.standard_normal(200)
    fit = Lasso(strength, tol=1e-8).fit(storage(X), y)  # a warning is an error
    assert fit.dual_gap_ <= 1e-8 * 0.5 * y.var()
    if not strength and apart != 1e-12:  # whose coefficients, 1e11, are rounded to as much as the noise
        residual = y - fit.predict(X)
        least = y - y.mean() - (X - X.mean(axis=0)) @ np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=1e-13)[0]
        assert residual @ residual <= least @ least * (1 + 1e-7)
