"""Offsets of more than two classes: one number a row and class."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.model_selection import KFold

from fastreg import (
    GeneralizedLinearClassifier,
    GeneralizedLinearClassifierCV,
    GroupL1,
    LogisticRegression,
    LogisticRegressionCV,
)
from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers.multinomial_path import multinomial, multinomial_alpha_grid

N, P, K = 150, 6, 3
TIGHT = {"tol": 1e-10, "max_iter": 2000}
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(np.zeros(N)))


def data(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) + 0.3
    offset = rng.standard_normal((N, K))
    raw = offset + X[:, :2] @ rng.standard_normal((2, K))
    y = (raw + rng.gumbel(size=raw.shape)).argmax(axis=1)
    return X, y, rng.uniform(0.2, 2, N), offset


def mean_loss(raw, y, weight):
    return np.average(logsumexp(raw, axis=1) - raw[np.arange(len(y)), y], weights=weight)


MODELS = {
    "l1": lambda **more: LogisticRegression(C=0.1, l1_ratio=1.0, **TIGHT, **more),
    "elastic net": lambda **more: LogisticRegression(C=0.1, l1_ratio=0.5, standardize=True, **TIGHT, **more),
    "ridge": lambda **more: LogisticRegression(C=0.1, **TIGHT, **more),
    "none": lambda **more: LogisticRegression(C=np.inf, **TIGHT, **more),
    "groups": lambda **more: GeneralizedLinearClassifier(penalty=GroupL1(0.03), **TIGHT, **more),
    "bounds": lambda **more: GeneralizedLinearClassifier(alpha=0.02, lower=-0.3, **TIGHT, **more),
}
models = pytest.mark.parametrize("name", MODELS)


@models
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_what_all_classes_have_makes_no_difference(name, fit_intercept):
    X, y, weight, offset = data()
    a = MODELS[name](fit_intercept=fit_intercept).fit(X, y, weight, offset)
    assert a.converged_
    shifted = offset + 3 * np.random.default_rng(1).standard_normal((N, 1))
    b = MODELS[name](fit_intercept=fit_intercept).fit(X, y, weight, shifted)
    np.testing.assert_allclose(b.coef_ - b.coef_.mean(axis=0), a.coef_ - a.coef_.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(b.intercept_, a.intercept_, atol=1e-4)
    c = MODELS[name](fit_intercept=fit_intercept).fit(X, y, weight)
    assert np.abs(c.coef_ - a.coef_).max() > 0.01
    same = MODELS[name](fit_intercept=fit_intercept).fit(X, y, weight, np.full((N, K), 2.0))
    np.testing.assert_allclose(same.coef_ - same.coef_.mean(axis=0), c.coef_ - c.coef_.mean(axis=0), atol=1e-4)


@models
def test_features_without_a_penalty_take_up_what_is_linear_in_them(name):
    if name == "bounds":
        pytest.skip("free coefficients have bounds there too")
    X, y, weight, offset = data()
    factor = np.array([1.0] * (P - 1) + [0])
    V = np.array([0.7, -0.4, 0.1])
    a = MODELS[name](penalty_factor=factor).fit(X, y, weight, offset)
    b = MODELS[name](penalty_factor=factor).fit(X, y, weight, offset + np.outer(X[:, -1], V) + [1.0, 0, -1])
    centred = [model.coef_ - model.coef_.mean(axis=0) for model in (a, b)]
    np.testing.assert_allclose(centred[1][:, :-1], centred[0][:, :-1], atol=2e-4)
    np.testing.assert_allclose(centred[1][:, -1], centred[0][:, -1] - (V - V.mean()), atol=2e-4)
    np.testing.assert_allclose(b.intercept_, a.intercept_ - [1.0, 0, -1], atol=2e-4)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
@pytest.mark.filterwarnings("ignore:.*did not converge")
def test_the_optimum_is_a_general_minimisers(fit_intercept, size):
    """And no lower than the gap says, at any tolerance."""
    X, y, weight, offset = data()
    offset = size * offset
    alpha = 1 / (0.1 * weight.sum())

    def objective(theta):
        W, b = theta[: K * P].reshape(K, P), theta[K * P :] * fit_intercept
        raw = X @ W.T + b + offset
        u = np.exp(raw - logsumexp(raw, axis=1, keepdims=True))
        u[np.arange(N), y] -= 1
        u *= weight[:, None] / weight.sum()
        slope = np.concatenate([(u.T @ X + alpha * W).ravel(), u.sum(axis=0) * fit_intercept])
        return mean_loss(raw, y, weight) + alpha / 2 * (W**2).sum(), slope

    best = minimize(objective, np.zeros(K * P + K), jac=True, method="BFGS", options={"gtol": 1e-9}).fun
    for tol in (1e-2, 1e-4, 1e-10):
        model = LogisticRegression(C=0.1, fit_intercept=fit_intercept, tol=tol, max_iter=1000)
        model.fit(X, y, weight, offset)
        reached = objective(np.concatenate([model.coef_.ravel(), model.intercept_]))[0]
        assert reached <= best + model.dual_gap_ + 1e-9 * best
    if size < 1e4:  # where nearly every row is certain a general minimiser gives up
        np.testing.assert_allclose(reached, best, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_grid_begins_where_all_is_0(fit_intercept):
    X, y, weight, offset = data()
    weight = weight / weight.sum()
    design, penalty = Design(X, weight, fit_intercept=fit_intercept), FeatureL1L2(P, 1.0)
    top = multinomial_alpha_grid(design, y, K, penalty, offset=offset, n_alphas=1)[0]

    def null(b):
        return mean_loss(offset + b * fit_intercept, y, weight)

    best = minimize(null, np.zeros(K), method="BFGS", options={"gtol": 1e-10})
    raw = offset + best.x * fit_intercept
    u = np.exp(raw - logsumexp(raw, axis=1, keepdims=True))
    u[np.arange(N), y] -= 1
    assert top == pytest.approx(np.abs(X.T @ (weight[:, None] * u)).max(), rel=1e-5)
    state = multinomial(design, y, K, penalty, offset=offset)
    assert state.null == pytest.approx(min(best.fun, state.null), rel=1e-9)
    for share, empty in ((1.001, True), (0.99, False)):
        model = GeneralizedLinearClassifier(alpha=share * top, fit_intercept=fit_intercept, tol=1e-9)
        assert model.fit(X, y, weight, offset).coef_.any() != empty


def test_choices_by_hand():
    X, y, weight, offset = data()
    alphas, Cs = [0.1, 0.03], [0.02, 0.1]
    many = GeneralizedLinearClassifierCV(alphas=alphas, cv=FOLDS, **TIGHT).fit(X, y, weight, offset=offset)
    labels = LogisticRegressionCV(
        Cs=Cs, l1_ratios=[1.0], cv=FOLDS, scoring="neg_log_loss", use_legacy_attributes=False, **TIGHT
    ).fit(X, y, weight, offset=offset)
    for k, (train, test) in enumerate(FOLDS):

        def loss(model, train=train, test=test):
            model.fit(X[train], y[train], weight[train], offset[train])
            return mean_loss(model.decision_function(X[test]) + offset[test], y[test], weight[test])

        for j in range(2):
            by_alpha = loss(GeneralizedLinearClassifier(alpha=alphas[j], **TIGHT))
            assert many.loss_path_[j, k] == pytest.approx(by_alpha, rel=1e-5)
            by_C = loss(LogisticRegression(C=Cs[j], l1_ratio=1.0, **TIGHT))
            assert labels.scores_[k, 0, j] == pytest.approx(-by_C, rel=1e-5)
    more = {"rule": "bic", "relax": 0.0, **TIGHT}
    choice = GeneralizedLinearClassifierCV(alphas=alphas, **more).fit(X, y, weight, offset=offset)
    one = GeneralizedLinearClassifier(alpha=choice.alpha_, relax=0.0, **TIGHT).fit(X, y, weight, offset)
    np.testing.assert_allclose(choice.coef_, one.coef_, atol=1e-4)
    deviance = 2 * weight.sum() * mean_loss(one.decision_function(X) + offset, y, weight)
    at = np.flatnonzero(choice.alphas_ == choice.alpha_)[0]
    found = choice.criterion_[at] - np.log(weight.sum()) * choice.df_[at]
    assert found == pytest.approx(deviance, rel=1e-6)


@models
@pytest.mark.filterwarnings("ignore:.*(did not converge|separated perfectly)")
def test_far_offsets_and_classes_without_weight(name):
    X, y, weight, offset = data()
    for size in (50.0, 1e4):
        model = MODELS[name]().set_params(tol=1e-6, max_iter=100).fit(X, y, weight, size * offset)
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.dual_gap_)
        assert model.converged_ or size > 50 or name == "none"
    gone = MODELS[name]().set_params(tol=1e-6).fit(X, y, np.where(y == 2, 0.0, weight), offset)
    assert np.isfinite(gone.coef_).all()
    assert (gone.decision_function(X) + offset)[:, 2].mean() < -5


def test_shapes():
    X, y, _, offset = data()
    for kind in (LogisticRegression, GeneralizedLinearClassifier):
        for wrong in (offset[:, 0], offset[:, :2], offset[:-1]):
            with pytest.raises(ValueError, match=r"offset has shape .*150 rows and y 3 classes; pass one number a row"):
                kind().fit(X, y, offset=wrong)
        with pytest.raises(ValueError, match="pass one number a row"):
            kind().fit(X, y > 0, offset=offset[:, :2])
    with pytest.raises(ValueError, match="scorers don't know of it"):
        LogisticRegressionCV(Cs=2, scoring="f1_macro").fit(X, y, offset=offset)
