"""GeneralizedLinearRegressorCV and GeneralizedLinearClassifierCV against the loop by hand, and its laws."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from fastreg import (
    L1,
    L1L2,
    MCP,
    SCAD,
    SLOPE,
    ElasticNetCV,
    GeneralizedLinearClassifier,
    GeneralizedLinearClassifierCV,
    GeneralizedLinearRegressor,
    GeneralizedLinearRegressorCV,
    GroupL1,
    LogisticRegressionCV,
    NonNegative,
    glm_path,
)
from fastreg.losses import Softmax, Tweedie, get_loss

TIGHT = {"tol": 1e-10, "max_iter": 500}
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(np.zeros(120)))


def data(loss, n=120, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X[:, :3] @ [0.6, -0.4, 0.3]
    if loss == "logistic":
        return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    if loss == "squared":
        return X, eta + 0.5 * rng.standard_normal(n)
    return X, np.round(np.exp(eta) * rng.gamma(2, 0.5, n), 1) + 0.1


PENALTIES = {
    "lasso": (None, lambda a: L1L2(a, 1.0)),
    "ridge": (None, lambda a: L1L2(a, 0.0)),
    "group": (GroupL1(7.0), GroupL1),
    "mcp": (MCP(7.0, 3.0), lambda a: MCP(a, 3.0)),
    "scad": ("scad", SCAD),
    "slope": (SLOPE(7.0), SLOPE),
}


@pytest.mark.parametrize("loss", ["squared", "poisson", "gamma", Tweedie(1.5), "logistic"], ids=str)
@pytest.mark.parametrize("name", PENALTIES)
def test_the_loop_by_hand(loss, name):
    """Every fold's fit is that of its training rows, its loss that of its test rows."""
    X, y = data(loss)
    rng = np.random.default_rng(1)
    weight, offset = rng.uniform(0.2, 2, len(y)), 0.3 * rng.standard_normal(len(y))
    penalty, at = PENALTIES[name]
    more = {"groups": 2 if name == "group" else None, "standardize": True, **TIGHT}
    alphas = [0.2, 0.05]
    fitted = GeneralizedLinearRegressorCV(
        loss, penalty, l1_ratio=0.0 if name == "ridge" else 1.0, alphas=alphas, cv=FOLDS, **more
    ).fit(X, y, weight, offset=offset)
    losses = np.empty((2, 3))
    for k, (train, test) in enumerate(FOLDS):
        for j, alpha in enumerate(alphas):
            one = GeneralizedLinearRegressor(loss, at(alpha), **more)
            one.fit(X[train], y[train], weight[train], offset[train])
            raw = X[test] @ one.coef_ + one.intercept_ + offset[test]
            losses[j, k] = get_loss(loss)(raw, y[test], weight[test] / weight[test].sum())[0]
    np.testing.assert_allclose(fitted.loss_path_, losses, rtol=1e-5)
    assert fitted.alpha_ == alphas[losses.mean(axis=1).argmin()]
    best = GeneralizedLinearRegressor(loss, at(fitted.alpha_), **more).fit(X, y, weight, offset)
    np.testing.assert_allclose(fitted.coef_, best.coef_, atol=1e-5)
    assert fitted.converged_


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", ["logistic", "squared", "huber"])
@pytest.mark.parametrize("name", PENALTIES)
def test_the_loop_by_hand_for_classes(loss, name, classes):
    """A row's weight is that of its class over all rows times its own, in the fit as in the loss of test rows."""
    X, y = data("squared")
    y = np.array(["no", "so", "yes"])[np.digitize(y, [0.1] if classes == 2 else [-0.4, 0.6])]
    weight = np.random.default_rng(1).uniform(0.2, 2, len(y))
    penalty, at = PENALTIES[name]
    if name in ("mcp", "scad"):  # flatter, as different stationary points are no error
        kind = {"mcp": MCP, "scad": SCAD}[name]
        penalty, at = kind(7.0, 50.0), lambda a: kind(a, 50.0)
    more = {"groups": 2 if name == "group" else None, "standardize": True, **TIGHT}
    each = {"no": 1.0, "so": 0.5, "yes": 2.0}
    folds, alphas = list(StratifiedKFold(3).split(X, y)), [0.1, 0.05]
    model = GeneralizedLinearClassifierCV(
        loss, penalty, l1_ratio=0.0 if name == "ridge" else 1.0, alphas=alphas, class_weight=each, cv=3, **more
    )
    if classes == 3 and (loss != "logistic" or name not in ("lasso", "ridge", "group")):
        with pytest.raises(ValueError, match="Only binary classification"):
            model.fit(X, y, weight)
        return
    fitted = model.fit(X, y, weight)
    total = weight * np.array([each[label] for label in y])
    coded = np.unique(y, return_inverse=True)[1].astype(float)
    losses = np.empty((2, 3))
    for k, (train, test) in enumerate(folds):
        for j, alpha in enumerate(alphas):
            one = GeneralizedLinearClassifier(loss, at(alpha), **more).fit(X[train], y[train], total[train])
            raw, share = one.decision_function(X[test]), total[test] / total[test].sum()
            judge = Softmax() if classes == 3 else get_loss(loss)
            truth = coded[test] if loss == "logistic" else 2 * coded[test] - 1
            losses[j, k] = judge(raw, truth, share)[0]
    np.testing.assert_allclose(fitted.loss_path_, losses, rtol=1e-5)
    assert fitted.alpha_ == alphas[losses.mean(axis=1).argmin()]
    best = GeneralizedLinearClassifier(loss, at(fitted.alpha_), class_weight=each, **more).fit(X, y, weight)
    np.testing.assert_allclose(fitted.coef_, best.coef_, atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(X), best.predict(X))
    assert fitted.converged_
    assert (fitted.classes_ == np.unique(y)).all()


def test_several_targets_share_their_features():
    X, y = data("squared")
    Y = np.column_stack([y, 2 * X[:, 0] + np.random.default_rng(1).standard_normal(len(y)), -y])
    weight, alphas = np.random.default_rng(1).uniform(0.2, 2, len(y)), [0.3, 0.1]
    more = {"penalty_factor": [1, 1, 2, 1, 1, 0.5], "standardize": True, "tol": 1e-9, "max_iter": 5000}
    fitted = GeneralizedLinearRegressorCV("squared", GroupL1(1.0), alphas=alphas, cv=FOLDS, **more).fit(X, Y, weight)
    losses = np.empty((2, 3))
    for k, (train, test) in enumerate(FOLDS):
        for j, alpha in enumerate(alphas):
            one = GeneralizedLinearRegressor("squared", GroupL1(alpha), **more).fit(X[train], Y[train], weight[train])
            square = ((Y[test] - one.predict(X[test])) ** 2).sum(axis=1)
            losses[j, k] = 0.5 * np.average(square, weights=weight[test])
    np.testing.assert_allclose(fitted.loss_path_, losses, rtol=1e-5)
    best = GeneralizedLinearRegressor("squared", GroupL1(fitted.alpha_), **more).fit(X, Y, weight)
    np.testing.assert_allclose(fitted.coef_, best.coef_, atol=1e-5)
    assert fitted.score(X, Y) == pytest.approx(best.score(X, Y), abs=1e-6)
    model = GeneralizedLinearRegressorCV("squared", GroupL1(1.0), alphas=7).fit(X, Y)
    assert not GeneralizedLinearRegressor("squared", GroupL1(model.alphas_[0] * 1.01)).fit(X, Y).coef_.any()
    assert GeneralizedLinearRegressor("squared", GroupL1(model.alphas_[0] * 0.99)).fit(X, Y).coef_.any()
    with pytest.raises(ValueError, match="one target"):
        model.fit(X, Y, offset=y)


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("name", PENALTIES)
def test_criteria_by_hand(loss, name):
    """The deviance of each fit and what `glm_path` counts, under every penalty."""
    X, y = data(loss)
    weight, offset = np.random.default_rng(1).uniform(0.2, 2, len(y)), 0.1 * X[:, 0]
    n, alphas, (penalty, _) = weight.sum(), [0.2, 0.05, 0.01], PENALTIES[name]
    more = {"groups": 2 if name == "group" else None, "standardize": True, "l1_ratio": 0.0 if name == "ridge" else 1.0}
    path = glm_path(
        X, y, loss, penalty=penalty, alphas=alphas, sample_weight=weight, offset=offset, df=True, **more, **TIGHT
    )
    raw = path.coefs @ X.T + path.intercepts[:, None] + offset
    mean = np.array([get_loss(loss)(row, y, weight / n)[0] for row in raw])
    deviance = n * np.log(2 * mean) if loss == "squared" else 2 * n * mean
    for rule, each in (("aic", 2.0), ("bic", np.log(n)), ("ebic", np.log(n) + 2 * np.log(6))):
        model = GeneralizedLinearRegressorCV(loss, penalty, alphas=alphas, rule=rule, **more, **TIGHT)
        model.fit(X, y, weight, offset=offset)
        np.testing.assert_allclose(model.df_, path.df, atol=1e-5)
        np.testing.assert_allclose(model.criterion_, deviance + each * path.df, rtol=1e-6)
        assert model.alpha_ == alphas[model.criterion_.argmin()]
    if loss == "logistic":
        labels = GeneralizedLinearClassifierCV(loss, penalty, alphas=alphas, rule="ebic", **more, **TIGHT)
        labels.fit(X, y, weight, offset=offset)
        np.testing.assert_allclose(labels.criterion_, model.criterion_, rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_degrees_of_freedom_of_groups_over_classes(fit_intercept, standardize):
    """The trace of the hat matrix, from Hessians by differences."""
    X, y = data("squared")
    y = np.digitize(y, [-0.4, 0.6])
    more = {"alphas": [0.04], "groups": 2, "fit_intercept": fit_intercept, "standardize": standardize, **TIGHT}
    model = GeneralizedLinearClassifierCV("logistic", GroupL1(1.0), rule="aic", **more).fit(X, y)
    used = np.flatnonzero(model.coef_.any(axis=0))
    assert 0 < len(used) < 6
    scale = np.sqrt(np.mean((X - fit_intercept * X.mean(axis=0)) ** 2, axis=0)) if standardize else np.ones(6)
    m = 3 * len(used)

    def loss(z):
        raw = X[:, used] / scale[used] @ z[:m].reshape(3, -1).T + (z[m:] if fit_intercept else 0.0)
        return Softmax()(raw, y.astype(float), np.full(len(y), 1 / len(y)))[0]

    def charge(z):
        w = z[:m].reshape(3, -1)
        return sum(0.04 * np.sqrt(6) * np.linalg.norm(w[:, (used // 2) == g]) for g in np.unique(used // 2))

    at = np.append((model.coef_ * scale)[:, used].ravel(), model.intercept_ if fit_intercept else [])

    def hessian(f, h=1e-4):
        steps = h * np.eye(len(at))
        return np.array(
            [[f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b) for a in steps] for b in steps]
        ) / (4 * h * h)  # fmt: skip

    H = hessian(loss)
    trace = np.trace(np.linalg.pinv(H + hessian(charge), rcond=1e-6) @ H)
    assert model.df_[0] == pytest.approx(trace - 2 * fit_intercept, abs=1e-3)
    deviance = -2 * model.predict_log_proba(X)[np.arange(len(y)), y].sum()
    assert model.criterion_[0] == pytest.approx(deviance + 2 * model.df_[0], rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("penalty", [None, GroupL1(1.0)])
def test_the_grid_begins_where_the_first_feature_enters(classes, penalty):
    X, y = data("squared")
    y = np.digitize(y, [0.1] if classes == 2 else [-0.4, 0.6])
    for factor in (None, [0.0, 1, 1, 1, 1, 1]):
        more = {"groups": np.arange(6), "penalty_factor": factor, **TIGHT}
        top = GeneralizedLinearClassifierCV("logistic", penalty, alphas=2, rule="aic", **more).fit(X, y).alphas_[0]
        kind = L1 if penalty is None else GroupL1
        charged = slice(0 if factor is None else 1, 6)
        for share, some in ((1.01, False), (0.99, True)):
            model = GeneralizedLinearClassifier("logistic", kind(share * top), **more).fit(X, y)
            assert model.coef_[:, charged].any() == some
            assert factor is None or model.coef_[:, 0].any()


@pytest.mark.parametrize("loss", ["poisson", "logistic"])
@pytest.mark.parametrize("penalty", [None, GroupL1(1.0)])
def test_weight_2_is_the_row_twice_in_its_fold(loss, penalty):
    X, y = data(loss)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    twice = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in FOLDS]
    kwargs = {"alphas": 5, "eps": 0.05, "groups": 3 if penalty else None, **TIGHT}
    a = GeneralizedLinearRegressorCV(loss, penalty, cv=FOLDS, **kwargs).fit(X, y, weight)
    b = GeneralizedLinearRegressorCV(loss, penalty, cv=twice, **kwargs).fit(X[rows], y[rows])
    np.testing.assert_allclose(a.alphas_, b.alphas_, rtol=1e-10)
    np.testing.assert_allclose(a.loss_path_, b.loss_path_, rtol=1e-7)
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-6)


@pytest.mark.parametrize("penalty", [MCP(1.0, 1.5), SCAD(1.0, 2.5)], ids=str)
def test_where_there_are_several_stationary_points_the_fit_is_the_path_s(penalty):
    rng = np.random.default_rng(8)
    X = rng.standard_normal((40, 12)) + 2 * rng.standard_normal((40, 1))
    y = X[:, :4] @ [1.0, -1, 1, -1] + rng.standard_normal(40)
    for rule in ("min", "bic"):
        model = GeneralizedLinearRegressorCV(
            "squared", penalty, alphas=20, eps=0.05, rule=rule, standardize=True, **TIGHT
        )
        model.fit(X, y)
        path = glm_path(X, y, "squared", penalty=penalty, alphas=model.alphas_, standardize=True, **TIGHT)
        at = list(model.alphas_).index(model.alpha_)
        assert at > 0
        np.testing.assert_allclose(model.coef_, path.coefs[at], atol=1e-6)
        np.testing.assert_allclose(model.intercept_, path.intercepts[at], atol=1e-6)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_groups_of_rows_are_routed_to_the_splitter(name):
    X, y = data("logistic")
    rows = np.arange(len(y)) % 4
    kind = GeneralizedLinearClassifierCV if name == "classifier" else GeneralizedLinearRegressorCV
    kwargs = {"penalty": GroupL1(1.0), "groups": 2, "alphas": 4}
    by_hand = kind("logistic", cv=list(GroupKFold(4).split(X, y, rows)), **kwargs).fit(X, y, 1 + rows, offset=X[:, 0])
    with sklearn.config_context(enable_metadata_routing=True):
        model = kind("logistic", cv=GroupKFold(4), **kwargs).set_fit_request(sample_weight=True, offset=True)
        model.fit(X, y, sample_weight=1 + rows, offset=X[:, 0], groups=rows)
    np.testing.assert_array_equal(model.loss_path_, by_hand.loss_path_)


def test_storages_and_bounds():
    X, y = data("poisson")
    X[np.abs(X) < 0.4] = 0
    for more in ({"lower": 0.0}, {"penalty_factor": [0, 1, 1, 2, 1, 1]}, {"penalty": NonNegative()}):
        model = GeneralizedLinearRegressorCV("poisson", alphas=[0.3, 0.1], cv=FOLDS, **{**TIGHT, **more})
        dense = model.fit(X, y).coef_
        assert "penalty_factor" in more or (dense >= 0).all()
        for Z in (np.asfortranarray(X), sparse.csr_matrix(X)):
            np.testing.assert_allclose(model.fit(Z, y).coef_, dense, atol=1e-6)
    assert model.fit(X.astype(np.float32), y).coef_.dtype == np.float32


def test_the_same_choice_as_others():
    """Of squared errors as ElasticNetCV's, of classes as LogisticRegressionCV's, whose C is 1 / (n alpha)."""
    X, y = data("squared")
    kwargs = {"l1_ratio": [0.3, 1.0], "alphas": 20, "cv": FOLDS, **TIGHT}
    ours = GeneralizedLinearRegressorCV("squared", **kwargs).fit(X, y)
    theirs = ElasticNetCV(**kwargs).fit(X, y)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-9)
    np.testing.assert_allclose(2 * ours.loss_path_, theirs.mse_path_, rtol=1e-6)
    assert (ours.alpha_, ours.l1_ratio_) == (pytest.approx(theirs.alpha_), theirs.l1_ratio_)
    assert ours.cv_results_["mean_loss"].shape == (2, 20)
    careful = GeneralizedLinearRegressorCV("squared", **kwargs, rule="1se").fit(X, y)
    assert careful.alpha_ == pytest.approx(ElasticNetCV(**kwargs, rule="1se").fit(X, y).alpha_)
    assert careful.alpha_ > ours.alpha_
    X, y = data("logistic")
    alphas = np.array([0.3, 0.1, 0.03, 0.01])
    for rule in ("aic", "bic", "ebic"):
        for ratio in (1.0, 0.5):
            ours = GeneralizedLinearRegressorCV("logistic", l1_ratio=ratio, alphas=alphas, rule=rule, **TIGHT).fit(X, y)
            theirs = LogisticRegressionCV(
                Cs=1 / (len(y) * alphas), l1_ratios=[ratio], rule=rule, use_legacy_attributes=False, **TIGHT
            ).fit(X, y)
            np.testing.assert_allclose(ours.criterion_, theirs.criterion_[0], rtol=1e-6)
            np.testing.assert_allclose(ours.coef_, theirs.coef_[0], atol=1e-5)


def test_what_it_refuses():
    X, y = data("poisson")
    for kwargs, match in (
        ({"l1_ratio": [0.5, 1.5]}, "l1_ratio must be"),
        ({"rule": "bic", "loss": "gamma"}, "is for the squared, the logistic and the Poisson loss"),
        ({"penalty": GroupL1(1.0)}, "needs groups="),
        ({"loss": "absolute"}, "needs a loss with curvature"),
    ):
        with pytest.raises(ValueError, match=match):
            GeneralizedLinearRegressorCV(**{"loss": "poisson", **kwargs}).fit(X, y)
    with pytest.raises(ValueError, match="between"):
        GeneralizedLinearRegressorCV("poisson").fit(X, -y)
    one, folds = (pytest.warns(ConvergenceWarning, match=m) for m in ("CV did not converge", "of 5 fits of folds"))
    with one, folds:
        GeneralizedLinearRegressorCV("poisson", alphas=[1e-3], tol=1e-13, max_iter=1).fit(X, y)
