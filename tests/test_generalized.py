"""GeneralizedLinearRegressor and GeneralizedLinearClassifier: any loss with any penalty, and glm_path with one."""

import contextlib
import copy
import pickle

import numpy as np
import pytest
from cases import GENERALIZED
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastreg import (
    L1,
    L1L2,
    L2,
    MCP,
    SCAD,
    SLOPE,
    Bounds,
    ExpAbs,
    GeneralizedLinearClassifier,
    GeneralizedLinearRegressor,
    GroupL1,
    Lasso,
    LogisticRegression,
    MaxNorm,
    NonNegative,
    PoissonRegressor,
    glm_path,
)
from fastreg.losses import Huber, Tweedie

PENALTIES = {
    "none": None,
    "l1": L1(0.05),
    "l2": L2(0.1),
    "l1l2": L1L2(0.1, 0.4),
    "mcp": MCP(0.1),
    "scad": SCAD(0.1),
    "exp": ExpAbs(0.05),
    "group": GroupL1(0.05),
    "sparse group": GroupL1(0.08, l1_ratio=0.5),
    "slope": SLOPE(0.05),
    "bounds": Bounds(-0.2, 0.2),
    "nonnegative": NonNegative(),
}
LOSSES = ["squared", "huber", "poisson", "gamma", Tweedie(1.5), "logistic"]
every_penalty = pytest.mark.parametrize("name", PENALTIES)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)
TIGHT = {"tol": 1e-9, "max_iter": 500, "groups": 2}


def data(loss, n=100, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X[:, :3] @ [0.6, -0.4, 0.3]
    if loss == "logistic":
        return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    if loss in ("squared", "huber"):
        return X, eta + 0.5 * rng.standard_normal(n)
    return X, np.exp(eta) * rng.gamma(2, 0.5, n)


def same(a, b, atol=1e-5):
    np.testing.assert_allclose(a.coef_, b.coef_, atol=atol)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=atol)


@every_loss
@every_penalty
def test_no_step_lowers_the_objective(loss, name):
    """No small move of a coefficient, the intercept, or in a random direction is lower; weights are repetitions."""
    X, y = data(loss)
    penalty = PENALTIES[name]
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    model = GeneralizedLinearRegressor(loss, penalty, **TIGHT).fit(X, y, weight)
    assert model.converged_

    def objective(coef, intercept):
        raw = X @ coef + intercept
        value = model._loss()(raw, y, weight)[0] / weight.sum()
        if isinstance(penalty, GroupL1):
            share = penalty.args[2]
            norms = np.sqrt(2) * np.linalg.norm(coef.reshape(3, 2), axis=1).sum()
            return value + penalty.args[0] * ((1 - share) * norms + share * np.abs(coef).sum())
        return value + (0.0 if penalty is None else penalty.value(coef))

    best = objective(model.coef_, model.intercept_)
    moves = np.vstack([np.eye(7), -np.eye(7), np.random.default_rng(2).standard_normal((40, 7))])
    for size in (1e-4, 1e-3, 1e-2):
        for d in size * moves:
            assert objective(model.coef_ + d[:6], model.intercept_ + d[6]) >= best - 1e-8
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    same(GeneralizedLinearRegressor(loss, penalty, **TIGHT).fit(X[rows], y[rows]), model, 1e-4)


@every_penalty
@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_storages(loss, name):
    X, y = data(loss)
    X = np.round(4 * X)
    X[np.abs(X) < 3] = 0
    model = GeneralizedLinearRegressor(loss, PENALTIES[name], **TIGHT).fit(X, y)
    for Z in (np.asfortranarray(X), sparse.csc_array(X), sparse.csr_matrix(X), X.astype(np.int16)):
        other = GeneralizedLinearRegressor(loss, PENALTIES[name], **TIGHT).fit(Z, y)
        same(other, model)
        np.testing.assert_allclose(other.predict(Z), model.predict(X), rtol=1e-4)
    single = GeneralizedLinearRegressor(loss, PENALTIES[name], **TIGHT).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    same(single, model, 1e-4)
    np.testing.assert_array_equal(model.sparse_coef_.toarray()[0], model.coef_)


def test_it_is_the_others():
    """With L1 and L2 the named estimators; scikit-learn's Huber regression at the scale that it finds."""
    X, y = data("squared")
    same(GeneralizedLinearRegressor("squared", L1(0.1), **TIGHT).fit(X, y), Lasso(0.1, tol=1e-10).fit(X, y))
    offset = 0.3 * X[:, 5]
    moved = GeneralizedLinearRegressor("squared", L1(0.1), **TIGHT).fit(X, y, offset=offset)
    same(moved, Lasso(0.1, tol=1e-10).fit(X, y - offset))
    np.testing.assert_allclose(moved.predict(X, offset=offset), moved.predict(X) + offset)
    theirs = linear_model.HuberRegressor(alpha=0.0, epsilon=1.35, tol=1e-9, max_iter=1000).fit(X, y)
    ours = GeneralizedLinearRegressor(Huber(1.35 * theirs.scale_), None, **TIGHT).fit(X, y)
    same(ours, theirs, 1e-4)
    X, y = data("poisson")
    same(
        GeneralizedLinearRegressor("poisson", L1L2(0.1, 0.5), **TIGHT).fit(X, y),
        PoissonRegressor(alpha=0.1, l1_ratio=0.5, tol=1e-10).fit(X, y),
    )
    X, y = load_iris(return_X_y=True)
    for rows, classes in ((slice(50, None), 2), (slice(None), 3)):
        ours = GeneralizedLinearClassifier("logistic", "l1", alpha=0.02, tol=1e-9, max_iter=500).fit(X[rows], y[rows])
        C = 1 / (0.02 * len(y[rows]))
        named = LogisticRegression(C=C, l1_ratio=1.0, tol=1e-9, max_iter=500).fit(X[rows], y[rows])
        same(ours, named, 1e-4)
        np.testing.assert_allclose(ours.predict_proba(X), named.predict_proba(X), atol=1e-4)
        np.testing.assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X), atol=1e-12)
        assert ours.predict_proba(X).shape == (150, classes)


@pytest.mark.parametrize("penalty", ["mcp", "group_l1", "slope", "l1"])
def test_names_mean_the_classes(penalty):
    X, y = data("squared")
    of = {"mcp": MCP, "group_l1": GroupL1, "slope": SLOPE, "l1": L1}[penalty]
    a = GeneralizedLinearRegressor(penalty=penalty, alpha=0.1, **TIGHT).fit(X, y)
    b = GeneralizedLinearRegressor(penalty=of(0.1), alpha=7.0, **TIGHT).fit(X, y)
    np.testing.assert_array_equal(a.coef_, b.coef_)
    assert (a.stationarity_ is None) == (penalty == "l1")


@pytest.mark.parametrize("loss", ["logistic", "squared", "huber"])
@every_penalty
def test_classifier(loss, name):
    """Labels of any kind; swapping them turns the signs, class weights are sample weights."""
    X, y = data("squared")
    y = (y > 0).astype(float)
    labels = np.where(y > 0, "yes", "no")
    weight = np.where(y > 0, 2.0, 1.0)
    kwargs = {"loss": loss, "penalty": PENALTIES[name], **TIGHT}
    model = GeneralizedLinearClassifier(**kwargs, class_weight={"yes": 2, "no": 1}).fit(X, labels)
    assert model.coef_.shape == (1, 6)
    assert set(model.predict(X)) <= {"yes", "no"}
    assert model.score(X, labels) > 0.65
    same(GeneralizedLinearClassifier(**kwargs).fit(X, labels, weight), model)
    assert hasattr(model, "predict_proba") == (loss == "logistic")
    if name not in ("bounds", "nonnegative", "mcp", "scad"):
        turned = GeneralizedLinearClassifier(**kwargs, class_weight={0: 2, 1: 1}).fit(X, 1 - y)
        np.testing.assert_allclose(turned.coef_, -model.coef_, atol=1e-5)


def test_groups_by_label_or_size():
    X, y = data("squared")
    kwargs = {"penalty": GroupL1(0.2), "tol": 1e-10}
    a = GeneralizedLinearRegressor(**kwargs, groups=2).fit(X, y)
    b = GeneralizedLinearRegressor(**kwargs, groups=["b", "b", "a", "a", "c", "c"]).fit(X, y)
    same(a, b)
    order = np.array([4, 0, 2, 1, 5, 3])
    c = GeneralizedLinearRegressor(**kwargs, groups=np.repeat([0, 1, 2], 2)[order]).fit(X[:, order], y)
    np.testing.assert_allclose(c.coef_, a.coef_[order], atol=1e-7)
    zero = (a.coef_ == 0).reshape(3, 2)
    assert (zero.all(axis=1) == zero.any(axis=1)).all()
    assert zero.any()


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", ["group", "sparse group", "slope", "exp", "l1l2"])
def test_degrees_of_freedom_are_the_slope_of_the_predictions(name, standardize):
    """df = sum_i d prediction_i / d y_i, by differences, less the intercept's own."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((25, 6)) * rng.uniform(0.5, 2, 6)
    y = X[:, :3] @ [1.0, -1, 0.5] + 0.5 * rng.standard_normal(25)
    options = {"penalty": PENALTIES[name], "groups": 2, "standardize": standardize, "tol": 1e-14}
    options["alphas"] = [0.5 if name == "slope" else 0.1]  # so that some have one size
    slopes, step = 0.0, 1e-4
    for i in range(25):
        ends = []
        for move in (step, -step):
            path = glm_path(X, y + move * (np.arange(25) == i), "squared", **options, max_iter=1000)
            ends.append(X[i] @ path.coefs[0] + path.intercepts[0])
        slopes += (ends[0] - ends[1]) / (2 * step)
    df = glm_path(X, y, "squared", **options, max_iter=1000, df=True).df
    assert 0 < df[0] < 6
    assert df[0] == pytest.approx(slopes - 1, abs=1e-4)


@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_degrees_of_freedom_of_folded_penalties(name):
    X, y = data("logistic")
    path = glm_path(X, y, "logistic", penalty=PENALTIES[name], alphas=5, df=True, tol=1e-6)
    np.testing.assert_array_equal(path.df, (path.coefs != 0).sum(axis=1))


@pytest.mark.parametrize("name", ["mcp", "group", "slope", "l1"])
def test_path_is_single_fits(name):
    X, y = data("logistic")
    penalty = MCP(0.1, 20.0) if name == "mcp" else PENALTIES[name]  # so that the objective is convex
    options = {"tol": 1e-9, "max_iter": 300}
    path = glm_path(X, y, "logistic", penalty=penalty, groups=2, alphas=5, eps=0.1, **options)
    assert path.coefs.shape == (5, 6)
    assert not path.coefs[0].any()
    assert path.coefs[1].any()
    for k in (2, 4):
        alone = type(penalty)(path.alphas[k], *penalty.args[1:])
        model = GeneralizedLinearRegressor("logistic", alone, groups=2, **options).fit(X, y)
        np.testing.assert_allclose(model.coef_, path.coefs[k], atol=1e-4)
    assert path.violations is None or (path.violations < 1e-4).all()


def test_warm_start_and_factors():
    X, y = data("poisson")
    for penalty in (MCP(0.1), GroupL1(0.1)):
        model = GeneralizedLinearRegressor("poisson", penalty, warm_start=True, **TIGHT).fit(X, y)
        first, steps = model.coef_.copy(), model.n_iter_
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, first, atol=1e-6)
        assert model.n_iter_ <= steps
        free = GeneralizedLinearRegressor("poisson", penalty, penalty_factor=[1, 1, 1, 1, 0, 0], **TIGHT).fit(X, y)
        assert free.coef_[4:].all()
    bounded = GeneralizedLinearRegressor("poisson", MCP(0.05), lower=0, upper=0.1, **TIGHT).fit(X, y)
    assert bounded.coef_.min() >= 0
    assert bounded.coef_.max() <= 0.1


def test_what_cannot_be_says_so():
    X, y = data("logistic")
    fit = lambda *args, **kwargs: GeneralizedLinearRegressor(*args, **kwargs).fit(X, y)  # noqa: E731
    for kwargs, message in (
        ({"penalty": GroupL1(0.1)}, "groups="),
        ({"penalty": GroupL1(0.1), "groups": [0, 1]}, "groups has shape"),
        ({"penalty": SLOPE(0.1), "upper": 1.0}, "0 or infinite"),
        ({"penalty": SLOPE(0.1), "penalty_factor": [1, 2, 1, 1, 1, 1]}, "penalty_factor"),
        ({"penalty": GroupL1(0.1), "groups": 2, "penalty_factor": [1, 2, 1, 1, 1, 1]}, "same for all features"),
        ({"penalty": MaxNorm(1.0)}, "neurons"),
        ({"penalty": "lasso"}, "penalty"),
        ({"loss": "absolute"}, "curvature"),
        ({"loss": "logit"}, "loss must be"),
        ({"loss": "poisson", "sample": 0}, None),
    ):
        if message is None:
            continue
        with pytest.raises(ValueError, match=message):
            fit(**kwargs)
    with pytest.raises(ValueError, match="Gamma loss takes"):
        GeneralizedLinearRegressor("gamma").fit(X, y - 1)
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        GeneralizedLinearClassifier(penalty=MCP(0.1)).fit(X, y)
    with pytest.raises(ValueError, match="one class only"):
        GeneralizedLinearClassifier().fit(X, np.zeros(150))
    with pytest.raises(ValueError, match="has the losses logistic"):
        GeneralizedLinearClassifier("poisson").fit(X, y > 0)
    with pytest.warns(ConvergenceWarning, match="tol=1e-14"):
        GeneralizedLinearRegressor("logistic", MCP(0.01), max_iter=1, tol=1e-14).fit(X, (y > 0).astype(float))


@pytest.mark.parametrize("name", ["mcp", "scad", "exp", "group", "slope"])
def test_separable_classes_end(name):
    """Where the penalty is flat there is no optimum: finite numbers, and a warning that says it."""
    X = np.linspace(-1, 1, 60)[:, None] * np.ones(4)
    model = GeneralizedLinearClassifier(penalty=PENALTIES[name].scaled(0.01), groups=2)
    flat = name in ("mcp", "scad")
    with pytest.warns(ConvergenceWarning, match="no optimum") if flat else contextlib.nullcontext():
        model.fit(X, X[:, 0] > 0)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, X[:, 0] > 0) == 1


def variants():
    for case in GENERALIZED:
        # a check compares fits to the seventh digit
        tight = {"groups": 2, "tol": 1e-9} | ({"eps": 0.1, "alphas": 3} if case.is_cv else {})
        yield case.make(**tight)
        for penalty in (MCP(0.1), GroupL1(0.1), SLOPE(0.1)):
            if not (
                case.name.endswith("ClassifierCV") and penalty == MCP(0.1)
            ):  # no optimum: the few rows are separated
                yield case.make(penalty=penalty, **(tight if case.is_cv else {"groups": 2}))


@parametrize_with_checks(list(variants()))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("case", GENERALIZED, ids=str)
@pytest.mark.parametrize("check", ["check_param_validation", "check_readonly_memmap_input"])
def test_checks_outside_the_list(case, check):
    getattr(estimator_checks, check)(case.name, case.make())


@pytest.mark.parametrize("model", list(variants()), ids=str)
def test_copies_searches_and_pipelines(model):
    X, y = data("logistic")
    fitted = clone(model).fit(X, y)
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), clone(fitted).fit(X, y)):
        np.testing.assert_array_equal(twin.predict(X), fitted.predict(X))
    pipeline = make_pipeline(StandardScaler(), model)
    step = pipeline.steps[-1][0]
    grid = {f"{step}__penalty": [L1(0.01), MCP(0.05), GroupL1(0.02)]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
