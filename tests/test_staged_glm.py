"""Adaptive penalties and relaxed fits of every loss, under L1, L2, groups and others, single fits and choices."""

from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from fastreg import (
    MCP,
    SLOPE,
    GammaRegressor,
    GeneralizedLinearClassifier,
    GeneralizedLinearClassifierCV,
    GeneralizedLinearRegressor,
    GeneralizedLinearRegressorCV,
    GroupL1,
    HuberRegressor,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from fastreg.penalties import L1L2, L2

N, P = 160, 8
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 4])
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(np.zeros(N)))
STAGES = [{"adaptive": "own"}, {"adaptive": "ridge"}, {"relax": 0.0}, {"adaptive": "ridge", "relax": 0.4}]
stages = pytest.mark.parametrize("stages", STAGES, ids=str)


def data(seed=0):
    """X, positive y with rates of 0, weights, offset."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) * rng.uniform(0.5, 2, P) + 0.5
    X[:, 3] += X[:, 0]
    eta = X[:, :3] @ [0.4, -0.4, 0.3] + X[:, 6] * 0.3
    y = rng.poisson(np.exp(eta + 1)) + rng.gamma(2, 0.2, N)
    return X, y, rng.uniform(0.2, 2, N), 0.2 * rng.standard_normal(N)


SPARSE_GROUP = GroupL1(0.3, l1_ratio=0.4)
TIGHT = {"tol": 1e-10, "max_iter": 2000}
# each with its classifier's labels, and how to leave out the penalty
CASES = {
    "poisson": (PoissonRegressor, {"alpha": 0.15, "l1_ratio": 0.9}),
    "gamma": (GammaRegressor, {"alpha": 0.1, "l1_ratio": 0.9}),
    "tweedie": (TweedieRegressor, {"alpha": 0.1, "l1_ratio": 0.9, "power": 1.5}),
    "normal": (TweedieRegressor, {"alpha": 0.3, "l1_ratio": 0.9, "power": 0}),
    "huber": (HuberRegressor, {"alpha": 40.0, "l1_ratio": 0.9}),
    "quantile": (QuantileRegressor, {"alpha": 0.15, "l1_ratio": 0.9, "quantile": 0.6}),
    "squared": (GeneralizedLinearRegressor, {"loss": "squared", "penalty": L1L2(0.3, 0.9)}),
    "l1": (GeneralizedLinearRegressor, {"loss": "huber", "penalty": "l1", "alpha": 0.1}),
    "group": (GeneralizedLinearRegressor, {"loss": "gamma", "penalty": GroupL1(0.09), "groups": LABELS}),
    "squared group": (GeneralizedLinearRegressor, {"loss": "squared", "penalty": GroupL1(0.3), "groups": LABELS}),
    "sparse group": (GeneralizedLinearRegressor, {"loss": "poisson", "penalty": SPARSE_GROUP, "groups": LABELS}),
    "classes": (GeneralizedLinearClassifier, {"penalty": L1L2(0.03, 0.9)}),
    "group of classes": (GeneralizedLinearClassifier, {"penalty": GroupL1(0.03), "groups": LABELS}),
    "3 classes": (GeneralizedLinearClassifier, {"penalty": L1L2(0.02, 0.9)}),
    "groups of 3 classes": (GeneralizedLinearClassifier, {"penalty": GroupL1(0.02), "groups": LABELS}),
}
cases = pytest.mark.parametrize("name", CASES)
# under bounds sweeps end a group's fit
CLOSE = {"group": 1e-4, "group of classes": 1e-4, "groups of 3 classes": 1e-3, "3 classes": 1e-4, "sparse group": 1e-4}


def case(name):
    """(estimator with options, X, y, fit's arguments)."""
    kind, options = CASES[name]
    X, y, weight, offset = data()
    fit = {"sample_weight": weight, "offset": offset}
    if "classes" in name:
        y = np.digitize(y, [2.0, 5.0] if "3" in name else [3.0])
    if "3" in name:
        del fit["offset"]

    def make(**more):
        return kind(**{**options, "penalty_factor": [1, 1, 1, 1, 2, 2, 1, 0], **TIGHT, **more})

    return make, X, y, fit


def seen(coef):
    """Of several classes without what their predictions don't show: a shift of all, where nothing is charged on it."""
    coef = np.array(coef)
    if len(np.atleast_2d(coef)) > 1:
        coef[:, 7] -= coef[:, 7].mean()
    return coef


def without_l1(name):
    """What makes the first fit of 'ridge'."""
    options = CASES[name][1]
    if "l1_ratio" in options:
        return {"l1_ratio": 0.0}
    penalty = options["penalty"]
    if isinstance(penalty, str):
        return {"penalty": "l2"}
    if isinstance(penalty, L1L2):
        return {"penalty": L2(penalty.l1 + penalty.l2)}
    alpha, _, share = penalty.args
    return {"penalty": L2(alpha), "groups": None, "share": share}


@cases
@pytest.mark.parametrize("adaptive", ["own", "ridge"])
@pytest.mark.parametrize("standardize", [False, True])
def test_adaptive_is_two_fits(name, adaptive, standardize):
    make, X, y, fit = case(name)
    grouped, factor = "group" in name, np.array([1, 1, 1, 1, 2, 2, 1, 0.0])
    make = partial(make, standardize=standardize)
    options = without_l1(name) if adaptive == "ridge" else {}
    if "share" in options:
        share, size = options.pop("share"), np.bincount(LABELS)[LABELS]
        options["penalty_factor"] = factor * (share + (1 - share) * np.sqrt(size))
    first = make(**options).fit(X, y, **fit)
    scale = np.sqrt(np.cov(X.T, aweights=fit["sample_weight"], ddof=0).diagonal()) if standardize else 1.0
    coef = np.atleast_2d(first.coef_) * scale
    size = np.linalg.norm(coef - (coef.mean(axis=0) if "3" in name else 0), axis=0)
    if grouped:
        size = np.sqrt(np.bincount(LABELS, size**2))[LABELS]
    size[:7] /= size[:7].max()
    size[7] = 1
    out = size == 0
    assert adaptive == "ridge" or out.any()
    by_hand = {"penalty_factor": factor / np.where(out, 1, size)}
    second = make(**by_hand, lower=np.where(out, 0, -np.inf), upper=np.where(out, 0, np.inf)).fit(X, y, **fit)
    model = make(adaptive=adaptive).fit(X, y, **fit)
    np.testing.assert_allclose(seen(model.coef_), seen(second.coef_), atol=CLOSE.get(name, 1e-5))
    np.testing.assert_allclose(model.intercept_, second.intercept_, atol=CLOSE.get(name, 1e-5))
    assert model.converged_
    assert not np.atleast_2d(model.coef_)[:, out].any()
    assert np.count_nonzero(model.coef_) <= np.count_nonzero(make().fit(X, y, **fit).coef_)


@cases
def test_relaxed_fits_are_blends(name):
    """With a refit that knows nothing of stages, of the columns selected, under their bounds."""
    make, X, y, fit = case(name)
    make = partial(make, standardize=True, lower=-0.35)
    plain = make().fit(X, y, **fit)
    support = np.flatnonzero(np.atleast_2d(plain.coef_).any(axis=0))
    assert 0 < len(support) < P
    none = {"penalty": None, "groups": None} if "penalty" in CASES[name][1] else {"alpha": 0.0}
    refit = make(**none, penalty_factor=None).fit(X[:, support], y, **fit)
    close = 1e-3 if "3" in name or "huber" in name else 2e-4
    for relax in (1.0, 0.3, 0.0):
        model = make(relax=relax).fit(X, y, **fit)
        expected = relax * plain.coef_[..., support] + (1 - relax) * refit.coef_
        np.testing.assert_allclose(model.coef_[..., support], expected, atol=close)
        assert np.count_nonzero(np.delete(model.coef_, support, axis=-1)) == 0
        intercept = relax * plain.intercept_ + (1 - relax) * refit.intercept_
        np.testing.assert_allclose(model.intercept_, intercept, atol=close)
        assert model.dual_gap_ == pytest.approx(plain.dual_gap_, abs=1e-9)
        assert model.n_iter_ == plain.n_iter_
    if name == "huber":
        assert model.scale_ == pytest.approx(refit.scale_, rel=1e-3)
        np.testing.assert_array_equal(model.outliers_, refit.outliers_)


@cases
@stages
def test_weight_2_is_the_row_twice_and_storage_does_not_matter(name, stages):
    make, X, y, fit = case(name)
    X[np.abs(X) < 0.4] = 0
    weight = np.random.default_rng(1).integers(0, 3, N)
    rows, offset = np.repeat(np.arange(N), weight), fit.get("offset")
    if name == "huber":
        stages = {**stages, "upper": 1.0}
    a = make(**stages).fit(X, y, **{**fit, "sample_weight": weight})
    b = make(**stages).fit(X[rows], y[rows], **({} if offset is None else {"offset": offset[rows]}))
    close = 1e-3 if "3" in name else 2e-4
    np.testing.assert_allclose(seen(b.coef_), seen(a.coef_), atol=close)
    for Z in (sparse.csc_array(X), sparse.csr_matrix(X), np.asfortranarray(X)):
        c = make(**stages).fit(Z, y, **{**fit, "sample_weight": weight})
        np.testing.assert_allclose(seen(c.coef_), seen(a.coef_), atol=close)
    d = make(**stages).fit(X.astype(np.float32), y, **{**fit, "sample_weight": weight})
    assert d.coef_.dtype == (np.float64 if name in ("huber", "quantile") else np.float32)  # as in scikit-learn
    np.testing.assert_allclose(seen(d.coef_), seen(a.coef_), atol=2e-3)


SEARCHES = {
    "poisson": (GeneralizedLinearRegressorCV, GeneralizedLinearRegressor, {"loss": "poisson"}),
    "squared": (GeneralizedLinearRegressorCV, GeneralizedLinearRegressor, {"loss": "squared"}),
    "groups": (GeneralizedLinearRegressorCV, GeneralizedLinearRegressor, {"loss": "gamma", "groups": LABELS}),
    "classes": (GeneralizedLinearClassifierCV, GeneralizedLinearClassifier, {}),
    "3 classes": (GeneralizedLinearClassifierCV, GeneralizedLinearClassifier, {}),
}


@stages
@pytest.mark.parametrize("name", SEARCHES)
def test_the_loop_by_hand(name, stages):
    search, single, options = SEARCHES[name]
    X, y, weight, offset = data()
    if "classes" in name:
        y = np.digitize(y, [2.0, 5.0] if "3" in name else [3.0])
    offset = None if "3" in name else offset
    alphas = [0.1, 0.03, 0.01]
    more = {"standardize": True, "upper": 0.5, **options, **stages, **TIGHT}
    penalty = GroupL1(1.0) if name == "groups" else None
    many = search(penalty=penalty, alphas=alphas, cv=FOLDS, **more).fit(X, y, weight, offset=offset)

    def one(alpha):
        return single(penalty="group_l1" if penalty else "l1", alpha=alpha, **more)

    loss = np.empty((3, 3))
    for k, (train, test) in enumerate(FOLDS):
        for j, alpha in enumerate(alphas):
            model = one(alpha).fit(X[train], y[train], weight[train], None if offset is None else offset[train])
            loss[j, k] = mean_loss(model, X[test], y[test], weight[test], 0 if offset is None else offset[test])
    np.testing.assert_allclose(many.loss_path_, loss, rtol=2e-4)
    best = one(many.alpha_).fit(X, y, weight, offset)
    np.testing.assert_allclose(many.coef_, best.coef_, atol=1e-3 if "3" in name else 1e-4)
    assert many.dual_gap_ == pytest.approx(best.dual_gap_, abs=1e-8)


def mean_loss(model, X, y, weight, offset):
    if hasattr(model, "classes_"):
        raw = model.decision_function(X)
        raw = np.column_stack([0 * raw, raw + offset]) if raw.ndim == 1 else raw
        each = np.logaddexp.reduce(raw, axis=1) - raw[np.arange(len(y)), y]
        return np.average(each, weights=weight)
    raw = X @ model.coef_ + model.intercept_ + offset
    if model.loss == "squared":
        return np.average(0.5 * (y - raw) ** 2, weights=weight)
    if model.loss == "gamma":
        return np.average(raw + y * np.exp(-raw) - np.log(y) - 1, weights=weight)
    return np.average(np.exp(raw) - y * raw + y * np.log(y) - y, weights=weight)


def test_criteria_count_both_stages():
    X, y, weight, _ = data()
    weight = np.round(2 * weight)
    for stages in STAGES:
        more = {"loss": "poisson", **stages, **TIGHT}
        search = GeneralizedLinearRegressorCV(alphas=[0.1, 0.03], rule="bic", **more).fit(X, y, weight)
        for j, alpha in enumerate(search.alphas_):
            one = GeneralizedLinearRegressor(penalty="l1", alpha=alpha, **more).fit(X, y, weight)
            assert search.df_[j] == np.count_nonzero(one.coef_)
            deviance = 2 * weight.sum() * mean_loss(one, X, y, weight, 0)
            assert search.criterion_[j] == pytest.approx(deviance + np.log(weight.sum()) * search.df_[j], rel=1e-6)


def test_other_penalties_relax_but_do_not_adapt():
    X, y, weight, _ = data()
    for penalty in (MCP(0.3), SLOPE(0.1)):
        kwargs = {"penalty": penalty, "standardize": True, **TIGHT}
        plain = GeneralizedLinearRegressor("squared", **kwargs).fit(X, y, weight)
        support = plain.coef_ != 0
        assert 0 < support.sum() < P
        model = GeneralizedLinearRegressor("squared", relax=0.0, **kwargs).fit(X, y, weight)
        refit = GeneralizedLinearRegressor("squared", None, tol=1e-10).fit(X[:, support], y, weight)
        np.testing.assert_allclose(model.coef_[support], refit.coef_, atol=1e-6)
        assert (model.stationarity_, model.dual_gap_) == (plain.stationarity_, plain.dual_gap_)
        search = GeneralizedLinearRegressorCV("squared", penalty, alphas=[1.0, 0.5], relax=0.0, tol=1e-8).fit(X, y)
        one = GeneralizedLinearRegressorCV("squared", penalty, alphas=[1.0, search.alpha_], relax=0.0, cv=2, tol=1e-8)
        np.testing.assert_allclose(search.coef_, one.fit(X, y).coef_, atol=1e-6)
        for kind in (GeneralizedLinearRegressor, GeneralizedLinearRegressorCV):
            with pytest.raises(ValueError, match="adaptive='own'.*leave it None, or take penalty='l1'"):
                kind("squared", penalty, adaptive="own").fit(X, y)


def test_wide_ridge_is_ridge():
    """The first fit of 'ridge', by steps that hold no Gram matrix of all columns."""
    rng = np.random.default_rng(0)
    X, y, weight, offset = (
        rng.standard_normal((20, 60)),
        rng.standard_normal(20),
        rng.uniform(0.5, 2, 20),
        np.arange(20),
    )
    model = GeneralizedLinearRegressor("squared", "l2", alpha=0.2, **TIGHT).fit(X, y, weight, offset)
    ridge = Ridge(alpha=0.2 * weight.sum()).fit(X, y - offset, weight)
    np.testing.assert_allclose(model.coef_, ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, ridge.intercept_, atol=1e-5)


def test_several_targets_have_one_stage():
    X, y, _, _ = data()
    for stages in STAGES:
        for kind in (GeneralizedLinearRegressor, GeneralizedLinearRegressorCV):
            with pytest.raises(ValueError, match="adaptive and relax are for one target"):
                kind("squared", GroupL1(0.1), **stages).fit(X, np.column_stack([y, y]))


def test_separated_classes_are_told_of_each_stage():
    """A penalised fit has an optimum where its refit has none."""
    X = np.array([[-2.0, 1], [-1, -1], [1, 1], [2, -1]])
    y = [0, 0, 1, 1]
    GeneralizedLinearClassifier(alpha=0.1).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="separated perfectly|no optimum") as caught:
        GeneralizedLinearClassifier(alpha=0.1, relax=0.5).fit(X, y)
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match="perfect") as caught:
        PoissonRegressor(alpha=0.1, l1_ratio=1.0, relax=0.5).fit(X[:, :1], [0, 0, 0, 1])
    assert caught[0].filename == __file__
