"""The generalised linear models against scikit-learn, and their laws."""

import warnings

import numpy as np
import pytest
from cases import GLMS
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning

import fastreg
from fastreg import (
    GammaRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
    glm_path,
)
from fastreg.losses import Softmax, Tweedie
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import multinomial, multinomial_newton, multinomial_ridge

LOGISTIC, POISSON = (next(case for case in GLMS if case.name.startswith(name)) for name in ("Logistic", "Poisson"))
every_model = pytest.mark.parametrize("case", [case for case in GLMS if not case.is_cv], ids=str)


def data(case, n=80, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p)
    eta = X[:, :3] @ [0.5, -0.4, 0.3]
    if case.is_classifier:
        return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, np.exp(eta) * rng.gamma(2, 0.5, n)


def same(a, b, atol=1e-5):
    np.testing.assert_allclose(a.coef_, b.coef_, atol=atol)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=atol)


TIGHT = {"tol": 1e-10, "max_iter": 500}


@every_model
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_against_scikit_learn(case, fit_intercept, weighted):
    X, y = data(case)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y)) if weighted else None
    ours = case.make(fit_intercept=fit_intercept, **TIGHT).fit(X, y, weight)
    theirs = case.theirs(**case.params, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-8, max_iter=500)
    theirs.fit(X, y, weight)
    same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)
    assert ours.score(X, y, weight) == pytest.approx(theirs.score(X, y, weight), abs=1e-6)
    assert ours.converged_


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_penalties_and_class_weights(l1_ratio, classes):
    X, y = load_iris(return_X_y=True)
    X, y = (X[50:], y[50:]) if classes == 2 else (X, y)
    kwargs = {"C": 0.3, "l1_ratio": l1_ratio, "class_weight": "balanced"}
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))
    ours = LogisticRegression(**kwargs, tol=1e-9, max_iter=500).fit(X, y, weight)
    theirs = linear_model.LogisticRegression(**kwargs, solver="saga", tol=1e-9, max_iter=200000).fit(X, y, weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-4)
    np.testing.assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)), atol=1e-10)
    assert (ours.coef_ == 0).sum() >= (theirs.coef_ == 0).sum()
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@every_model
def test_weights_are_repetitions_and_weight_0_is_absence(case):
    X, y = data(case)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    params = {**case.params, "l1_ratio": 0.5, **TIGHT}
    same(case.ours(**params).fit(X, y, weight), case.ours(**params).fit(X[rows], y[rows]))


@every_model
@pytest.mark.parametrize("standardize", [False, True])
def test_storages_and_shift(case, standardize):
    """Sparse = dense, C = F, float32 nearly; a shift of X moves the intercept only."""
    X, y = data(case)
    X = np.round(8 * X) / 8
    X[np.abs(X) < 0.5] = 0
    params = {**case.params, "l1_ratio": 0.5, "standardize": standardize, **TIGHT}
    fitted = case.ours(**params).fit(X, y)
    for Z in (np.asfortranarray(X), sparse.csc_array(X), sparse.csr_matrix(X)):
        other = case.ours(**params).fit(Z, y)
        same(other, fitted)
        np.testing.assert_allclose(other.predict(Z), fitted.predict(X), rtol=1e-4)
    single = case.ours(**params).fit(X.astype(np.float32), y)
    same(single, fitted, atol=1e-4)
    np.testing.assert_allclose(case.ours(**params).fit(X + 5, y).coef_, fitted.coef_, atol=1e-5)


@every_model
def test_factors_and_bounds(case):
    X, y = data(case)
    free = case.make(penalty_factor=[0, 1, 1, 1, 1, 1], **TIGHT).fit(X, y)
    plain = case.make(**TIGHT).fit(X, y)
    assert abs(free.coef_.ravel()[0]) > abs(plain.coef_.ravel()[0])
    bounded = case.make(lower=0, upper=[0.1] * 6, **TIGHT).fit(X, y)
    assert bounded.coef_.min() >= 0
    assert bounded.coef_.max() <= 0.1
    assert bounded.converged_


@every_model
def test_warm_start(case):
    X, y = data(case)
    model = case.make(l1_ratio=0.5, warm_start=True, **TIGHT).fit(X, y)
    first, steps = model.coef_.copy(), np.max(model.n_iter_)
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, first, atol=1e-6)
    assert np.max(model.n_iter_) <= steps


@pytest.mark.parametrize("model", [PoissonRegressor, GammaRegressor, TweedieRegressor])
def test_offset_is_an_exposure(model):
    """A log link with offset log(e): that of y / e, with weights e for Poisson; predictions scale with it."""
    X, y = data(POISSON)
    exposure = np.random.default_rng(1).uniform(0.5, 3, len(y))
    kwargs = {"alpha": 0.1, **TIGHT}
    if model is TweedieRegressor:
        kwargs["power"] = 1
    offset = model(**kwargs).fit(X, y, offset=np.log(exposure))
    power = 0.0 if model is GammaRegressor else 1.0
    rate = model(**{**kwargs, "alpha": 0.1 / (exposure**power).mean()}).fit(X, y / exposure, exposure**power)
    same(offset, rate, atol=1e-4)
    plain, moved = offset.predict(X), offset.predict(X, offset=np.log(exposure))
    np.testing.assert_allclose(moved, plain * exposure, rtol=1e-10)
    assert offset.score(X, y, offset=np.log(exposure)) > 0


def test_logistic_offset():
    X, y = data(LOGISTIC)
    a = LogisticRegression(**TIGHT).fit(X, y, offset=np.full(len(y), 3.0))
    b = LogisticRegression(**TIGHT).fit(X, y)
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-6)
    np.testing.assert_allclose(a.intercept_ + 3, b.intercept_, atol=1e-6)


def test_deprecated_penalty():
    X, y = data(LOGISTIC)
    for penalty, l1_ratio in (("l1", 1.0), ("l2", 0.0), ("elasticnet", 0.5)):
        with pytest.warns(FutureWarning, match="'penalty' is deprecated"):
            old = LogisticRegression(penalty, l1_ratio=l1_ratio).fit(X, y)
        same(old, LogisticRegression(l1_ratio=l1_ratio).fit(X, y))
    with pytest.warns(FutureWarning):
        old = LogisticRegression(penalty=None).fit(X, y)
    same(old, LogisticRegression(C=np.inf).fit(X, y))
    with pytest.warns(FutureWarning, match="l1_ratio=None"):
        LogisticRegression(l1_ratio=None).fit(X, y)


@pytest.mark.parametrize("classes", [2, 3])
def test_separable_classes_say_so(classes):
    X = np.linspace(-1, 1, 60)[:, None]
    y = (np.arange(60) * classes) // 60
    with pytest.warns(ConvergenceWarning, match="separated perfectly"):
        fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
    assert np.isfinite(fitted.coef_).all()
    assert fitted.score(X, y) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(X, y)


@pytest.mark.parametrize(
    "model", [PoissonRegressor, GammaRegressor, TweedieRegressor, fastreg.GeneralizedLinearRegressor]
)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_perfect_fit_with_an_optimum_is_no_warning(model, fit_intercept):
    """A constant y, or one that the model has made: rates above 0 are reached by finite coefficients."""
    X = data(POISSON)[0]
    kwargs = {"penalty": None, "loss": "poisson"} if model is fastreg.GeneralizedLinearRegressor else {"alpha": 0.0}
    for y in (np.ones(len(X)), np.full(len(X), 100.0), np.full(len(X), 1e6), np.exp(X @ [0.3, -0.2, 0.1, 0, 0, 0])):
        fitted = model(**kwargs, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        assert fitted.converged_
        assert np.isfinite(fitted.coef_).all()


@pytest.mark.parametrize("kwargs", [{"alpha": 0.0}, {"penalty_factor": [0, 1]}], ids=["alpha", "factor"])
@pytest.mark.parametrize("model", [PoissonRegressor(), TweedieRegressor(power=1.5)])
def test_rates_of_0_predicted_perfectly_say_so(model, kwargs):
    X = np.column_stack([np.repeat([0.0, 1.0], 30), np.zeros(60)])
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        fitted = model.set_params(**kwargs).fit(X, 3 * (X[:, 0] == 0))
    assert np.isfinite(fitted.coef_).all()
    assert fitted.predict(X[-1:])[0] < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(model).set_params(alpha=0.1, penalty_factor=None).fit(X, 3 * (X[:, 0] == 0))


@every_model
def test_not_converged_warns_and_says_what_to_do(case):
    X, y = data(case)
    with pytest.warns(ConvergenceWarning, match=r"gap .* after \d+ iter.*tol=1e-14.*tol"):
        fitted = case.make(max_iter=1, tol=1e-14).fit(X, y)
    assert not fitted.converged_
    assert np.isfinite(fitted.coef_).all()


def test_rare_classes_and_rates_of_0():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4))
    y = np.zeros(200)
    y[:2] = [1, 2]
    assert np.isfinite(LogisticRegression().fit(X, y).predict_proba(X)).all()
    zero = PoissonRegressor(alpha=0.1).fit(X, np.zeros(200))
    assert (zero.predict(X) < 1e-6).all()
    with pytest.raises(ValueError, match="Gamma loss takes y > 0"):
        GammaRegressor().fit(X, np.zeros(200))
    with pytest.raises(ValueError, match="one class only"):
        LogisticRegression().fit(X, np.zeros(200))
    with pytest.raises(ValueError, match="power=0"):
        TweedieRegressor(power=1.5, link="identity").fit(X, y + 1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_penalty_too_small_to_be_felt_is_none(classes, l1_ratio):
    """Rounding divided by alpha is no certificate."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 4)), rng.integers(0, classes, 100)
    none = LogisticRegression(C=np.inf, l1_ratio=l1_ratio, tol=1e-7).fit(X, y)
    tiny = LogisticRegression(C=1e300, l1_ratio=l1_ratio, tol=1e-7).fit(X, y)
    same(tiny, none)
    assert tiny.converged_
    counts = PoissonRegressor(alpha=1e-290, l1_ratio=l1_ratio).fit(X, y)
    same(counts, PoissonRegressor(alpha=0.0).fit(X, y), atol=1e-3)
    cv = LogisticRegressionCV(Cs=[1e300], l1_ratios=[l1_ratio], use_legacy_attributes=False, tol=1e-7).fit(X, y)
    np.testing.assert_allclose(cv.coef_, none.coef_, atol=1e-2)


def test_a_class_of_weight_0_is_hardly_predicted():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((90, 4)), np.arange(90) % 3
    weight = (y < 2).astype(float)
    three = LogisticRegression(**TIGHT).fit(X, y, weight).predict_proba(X)
    assert three[:, 2].max() < 1e-8
    only = LogisticRegression(**TIGHT).fit(X, np.zeros(90) + (y == 1), (y == 1).astype(float))
    assert (only.predict(X) == 1).all()
    assert np.isfinite(only.intercept_).all()


def test_separation_is_seen_with_the_offset():
    """An offset that separates the classes by itself, or that hides that the rest does not."""
    X, y = data(LOGISTIC)
    for free in ({"C": np.inf}, {"penalty_factor": np.zeros(6)}):
        with pytest.warns(ConvergenceWarning, match="separated perfectly"):
            LogisticRegression(fit_intercept=False, max_iter=1000, **free).fit(X, y, offset=60.0 * (2 * y - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = LogisticRegression(C=np.inf).fit(X, y)
        moved = LogisticRegression(C=np.inf).fit(X, y, offset=np.full(len(y), 1e6))
    np.testing.assert_allclose(moved.coef_, plain.coef_, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.6, 0.0])
@pytest.mark.parametrize("way", ["plain", "passes", "joint", "turns", "rows", "sparse", "bounds", "no intercept"])
def test_multinomial_ways_agree(l1_ratio, way, monkeypatch):
    """Classes in turns and all at once: the same optimum; the joint steps need few rounds on correlated features."""
    X, y = load_digits(n_class=5, return_X_y=True)
    X, y = X[:300] + 3.0 * (way != "sparse"), y[:300]
    options = {"C": 0.03, "l1_ratio": l1_ratio, "max_iter": 3000, "tol": 1e-5 if way == "turns" else 1e-9}
    if way == "bounds":
        options["upper"] = 0.02
    if way == "no intercept":
        options["fit_intercept"] = False
    if way != "plain":
        monkeypatch.setattr(multinomial_ridge, "FEATURES", 0)
    if way in ("joint", "turns", "rows"):
        monkeypatch.setattr(multinomial, "takes", lambda *problem: False)
    if way in ("turns", "rows"):
        monkeypatch.setattr(multinomial_newton, "COEFFICIENTS", 0)
        monkeypatch.setattr(multinomial, "SHARED", np.inf if way == "turns" else 0.0)
    if way == "rows" and l1_ratio == 0:
        pytest.skip("no columns are to be found")
    model = LogisticRegression(**options).fit(sparse.csc_array(X) if way == "sparse" else X, y)
    assert model.converged_
    assert way == "turns" or model.n_iter_[0] < 60
    raw = X @ model.coef_.T + model.intercept_
    _, gradient, _ = Softmax()(raw, y.astype(float), np.full(len(y), 1 / len(y)))
    alpha, upper = 1 / (0.03 * len(y)), options.get("upper", np.inf)
    penalty = FeatureL1L2(X.shape[1], l1_ratio, upper=upper)
    for k in range(5):
        violation = penalty.violation(-X.T @ gradient[:, k], model.coef_[k], alpha).max()
        assert violation < (0.05 if way == "turns" else 1e-3) * alpha
    if options.get("fit_intercept", True):
        assert np.abs(gradient.sum(axis=0)).max() < 1e-4


def test_multinomial_bound_and_symmetry():
    """The gap bounds the distance from the optimum; intercepts have mean 0."""
    X, y = load_iris(return_X_y=True)
    best = LogisticRegression(C=0.1, l1_ratio=0.7, tol=1e-10, max_iter=2000).fit(X, y)
    alpha = 1 / (0.1 * len(y))

    def objective(model):
        proba = model.predict_log_proba(X)[np.arange(len(y)), y]
        return -proba.mean() + alpha * (0.7 * np.abs(model.coef_).sum() + 0.15 * (model.coef_**2).sum())

    assert best.intercept_.sum() == pytest.approx(0, abs=1e-10)
    for rounds in (1, 2, 4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loose = LogisticRegression(C=0.1, l1_ratio=0.7, tol=1e-10, max_iter=rounds).fit(X, y)
        assert objective(loose) - objective(best) <= loose.dual_gap_ + 1e-12


@pytest.mark.parametrize("loss", ["logistic", "poisson", Tweedie(1.5), "squared"])
def test_path_is_single_fits(loss):
    X, y = data(LOGISTIC if loss == "logistic" else POISSON)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))
    options = {"sample_weight": weight, "offset": 0.1 * weight, "penalty_factor": [0, 1, 1, 2, 1, 1], "tol": 1e-9}
    path = glm_path(X, y, loss, alphas=6, eps=0.02, **options)
    assert path.coefs.shape == (6, 6)
    assert not path.coefs[0, 1:].any()
    assert (np.diff(path.alphas) < 0).all()
    for k in (0, 3, 5):
        alone = glm_path(X, y, loss, alphas=path.alphas[[k]], **options)
        np.testing.assert_allclose(alone.coefs[0], path.coefs[k], atol=1e-5)
        assert alone.primals[0] == pytest.approx(path.primals[k], rel=1e-8)
    if loss == "poisson":
        model = PoissonRegressor(alpha=path.alphas[3], l1_ratio=1.0, penalty_factor=[0, 1, 1, 2, 1, 1], tol=1e-9)
        np.testing.assert_allclose(model.fit(X, y, weight, 0.1 * weight).coef_, path.coefs[3], atol=1e-5)


def test_path_says_what_is_wrong():
    X, y = data(LOGISTIC)
    with pytest.raises(ValueError, match="curvature"):
        glm_path(X, y, "absolute")
    with pytest.raises(ValueError, match="offset has shape"):
        glm_path(X, y, offset=[1.0])
    with pytest.raises(ValueError, match="Logistic loss takes"):
        glm_path(X, 2 * y)
    with pytest.warns(ConvergenceWarning, match=r"\d+ of 5 alphas"):
        glm_path(X, y, alphas=5, max_iter=1, tol=1e-13)


def test_names():
    assert {case.name for case in GLMS} <= set(fastreg.__all__)
