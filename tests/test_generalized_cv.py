"""GeneralizedLinearRegressorCV against the loop by hand, and its laws."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from fastreg import (
    L1L2,
    MCP,
    SCAD,
    SLOPE,
    ElasticNetCV,
    GeneralizedLinearRegressor,
    GeneralizedLinearRegressorCV,
    GroupL1,
    LogisticRegressionCV,
    NonNegative,
)
from fastreg.losses import Tweedie, get_loss

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
        ({"rule": "bic", "loss": "gamma"}, "is for the logistic and the Poisson loss"),
        ({"rule": "bic", "penalty": MCP(1.0)}, "is for the logistic and the Poisson loss"),
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
