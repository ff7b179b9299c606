"""Adaptive penalties and relaxed fits under cross-validation: every stage on a fold's training rows alone."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

from fastreg import ElasticNet, ElasticNetCV, Lasso, LassoCV, LogisticRegression, LogisticRegressionCV

TIGHT = {"tol": 1e-10, "max_iter": 10000}
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(np.zeros(150)))


def data(classes=None, n=150, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p) + 1
    X[:, 3] += X[:, 0]
    y = X[:, :3] @ [1.0, -1, 0.5] + rng.standard_normal(n)
    if classes is None:
        return X, y
    return X, np.array(["a", "b", "c"])[np.digitize(y, [0.5] if classes == 2 else [-0.5, 1.5])]


stages = pytest.mark.parametrize(
    "stages",
    [{"adaptive": "own"}, {"adaptive": "ridge"}, {"relax": 0.0}, {"adaptive": "ridge", "relax": 0.4}],
    ids=str,
)


@stages
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.6])
def test_the_loop_by_hand(stages, standardize, ratio):
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.2, 2, len(y))
    more = {"standardize": standardize, "penalty_factor": [1, 1, 2, 1, 1, 1, 0, 1], "upper": 0.9, **stages, **TIGHT}
    one, many = Lasso(**more), LassoCV(cv=FOLDS, alphas=[0.6, 0.2, 0.05], **more)
    if ratio < 1:
        one = ElasticNet(l1_ratio=ratio, **more)
        many = ElasticNetCV(l1_ratio=[ratio, 1.0], cv=FOLDS, alphas=[0.6, 0.2, 0.05], **more)
    many.fit(X, y, weight)
    mse = np.empty((3, 3))
    for k, (train, test) in enumerate(FOLDS):
        for j, alpha in enumerate(many.alphas_):
            one.set_params(alpha=alpha).fit(X[train], y[train], weight[train])
            mse[j, k] = np.average((y[test] - one.predict(X[test])) ** 2, weights=weight[test])
    np.testing.assert_allclose(many.mse_path_ if ratio == 1 else many.mse_path_[0], mse, rtol=1e-5)
    assert many.mse_path_.min(axis=-2).mean() > 0.5  # no fold has seen its test rows
    one.set_params(alpha=many.alpha_, **({"l1_ratio": many.l1_ratio_} if ratio < 1 else {})).fit(X, y, weight)
    np.testing.assert_allclose(many.coef_, one.coef_, atol=1e-6)
    np.testing.assert_allclose(many.intercept_, one.intercept_, atol=1e-6)
    assert many.dual_gap_ == pytest.approx(one.dual_gap_, abs=1e-9)


@stages
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("refit", [True, False])
def test_the_loop_by_hand_for_classes(stages, classes, refit):
    X, y = data(classes)
    weight = np.random.default_rng(1).uniform(0.2, 2, len(y))
    offset = 0.3 * X[:, 1] if classes == 2 else None
    more = {"standardize": True, **stages, **TIGHT}
    Cs, ratios = [1.0, 0.05, 0.2], [1.0, 0.6]
    many = LogisticRegressionCV(
        Cs=Cs, l1_ratios=ratios, cv=FOLDS, scoring="neg_log_loss", use_legacy_attributes=False, refit=refit, **more
    ).fit(X, y, weight, offset=offset)
    for k, (train, test) in enumerate(FOLDS):
        for i, ratio in enumerate(ratios):
            for j, C in enumerate(Cs):
                one = LogisticRegression(C=C, l1_ratio=ratio, **more)
                one.fit(X[train], y[train], weight[train], None if offset is None else offset[train])
                np.testing.assert_allclose(many.coefs_paths_[k, i, j][:, :-1], one.coef_, atol=2e-3)
                proba = one.predict_proba(X[test])
                if offset is not None:
                    odds = np.exp(one.decision_function(X[test]) + offset[test])
                    proba = np.column_stack([1 / (1 + odds), odds / (1 + odds)])
                score = -log_loss(y[test], proba, sample_weight=weight[test], labels=one.classes_)
                assert many.scores_[k, i, j] == pytest.approx(score, abs=2e-4)
    if refit:
        best = LogisticRegression(C=many.C_, l1_ratio=many.l1_ratio_, **more).fit(X, y, weight, offset)
        np.testing.assert_allclose(many.coef_, best.coef_, atol=1e-3)
        assert many.dual_gap_ == pytest.approx(best.dual_gap_, abs=1e-9)


@stages
def test_criteria_by_hand(stages):
    """Weights count as given; relaxed, each selected feature is a degree of freedom."""
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    n, alphas, more = weight.sum(), [0.6, 0.2, 0.05], {**stages, **TIGHT}
    model = LassoCV(alphas=alphas, rule="bic", **more).fit(X, y, weight)
    labels = LogisticRegressionCV(Cs=[0.3, 0.1], l1_ratios=[1.0], rule="bic", use_legacy_attributes=False, **more)
    labels.fit(X, y > 0, weight)
    for j, alpha in enumerate(alphas):
        one = Lasso(alpha=alpha, **more).fit(X, y, weight)
        deviance = n * np.log(np.average((y - one.predict(X)) ** 2, weights=weight))
        assert model.df_[j] == np.count_nonzero(one.coef_)
        assert model.criterion_[j] == pytest.approx(deviance + np.log(n) * model.df_[j], rel=1e-6)
    for j, C in enumerate([0.3, 0.1]):
        one = LogisticRegression(C=C, l1_ratio=1.0, **more).fit(X, y > 0, weight)
        deviance = -2 * weight @ one.predict_log_proba(X)[np.arange(len(y)), (y > 0).astype(int)]
        assert labels.df_[0, j] == np.count_nonzero(one.coef_)
        assert labels.criterion_[0, j] == pytest.approx(deviance + np.log(n) * labels.df_[0, j], rel=1e-5)


@stages
def test_weight_2_is_the_row_twice_and_sparse_is_dense(stages):
    X, y = data()
    X[np.abs(X) < 0.5] = 0
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    twice = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in FOLDS]
    model = LassoCV(alphas=5, eps=0.05, rule="1se", **stages, **TIGHT)
    a = model.set_params(cv=FOLDS).fit(X, y, weight)
    mse, coef = a.mse_path_, a.coef_
    b = model.set_params(cv=twice).fit(X[rows], y[rows])
    np.testing.assert_allclose(b.mse_path_, mse, rtol=1e-6)
    np.testing.assert_allclose(b.coef_, coef, atol=1e-6)
    for Z in (sparse.csc_array(X), sparse.csr_matrix(X)):
        c = model.set_params(cv=FOLDS).fit(Z, y, weight)
        np.testing.assert_allclose(c.mse_path_, mse, rtol=1e-6)
    assert model.fit(X.astype(np.float32), y).coef_.dtype == np.float32


def test_adaptive_choices_are_sparser():
    """On features beside those that matter: what the adaptive lasso is for (Zou, 2006)."""
    X, y = data(n=150, p=60, seed=3)
    plain = LassoCV(cv=FOLDS, standardize=True).fit(X, y)
    for stages in ({"adaptive": "own"}, {"adaptive": "ridge"}, {"relax": 0.0}):
        model = LassoCV(cv=FOLDS, standardize=True, **stages).fit(X, y)
        assert {0, 1, 2} <= set(np.flatnonzero(model.coef_))
        assert np.count_nonzero(model.coef_) < np.count_nonzero(plain.coef_)
        assert model.cv_results_["mean_mse"].min() < plain.cv_results_["mean_mse"].min()
