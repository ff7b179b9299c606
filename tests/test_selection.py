"""Information criteria and degrees of freedom, adaptive penalties, relaxed fits."""

import numpy as np
import pytest

from fastreg import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLassoCV,
    glm_path,
)
from fastreg.design import Design
from fastreg.model_selection import degrees_of_freedom
from fastreg.penalties.features import FeatureL1L2


def data(n=120, p=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p) + 1
    return X, X[:, :3] @ [1.0, -1, 0.5] + rng.standard_normal(n)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_degrees_of_freedom_are_the_slope_of_the_predictions(l1_ratio, standardize, fit_intercept):
    """df = sum_i d prediction_i / d y_i, by differences; the intercept's own is left out."""
    X, y = data(30, 5)
    alpha = 0.3
    kwargs = {"alpha": alpha, "l1_ratio": l1_ratio, "tol": 1e-14, "max_iter": 10000}
    kwargs |= {"standardize": standardize, "fit_intercept": fit_intercept, "penalty_factor": [0.5, 1, 1, 1, 2]}
    model = ElasticNet(**kwargs).fit(X, y)
    slopes, step = 0.0, 1e-4
    for i in range(30):
        up, down = y.copy(), y.copy()
        up[i] += step
        down[i] -= step
        slopes += (ElasticNet(**kwargs).fit(X, up).predict(X) - ElasticNet(**kwargs).fit(X, down).predict(X))[i]
    design = Design(X, fit_intercept=fit_intercept, standardize=standardize)
    penalty = FeatureL1L2(5, l1_ratio, np.array([0.5, 1, 1, 1, 2]))
    df = degrees_of_freedom(design, model.coef_[None], [alpha], penalty)[0]
    assert df == pytest.approx(slopes / (2 * step) - fit_intercept, abs=1e-4)


@pytest.mark.parametrize("rule", ["aic", "bic", "ebic"])
def test_criterion_by_hand(rule):
    X, y = data()
    v = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = ElasticNetCV(rule=rule, l1_ratio=[0.5, 1.0], alphas=30, tol=1e-10, max_iter=10000).fit(X, y, v)
    n = v.sum()
    factor = {"aic": 2, "bic": np.log(n), "ebic": np.log(n) + 2 * np.log(12)}[rule]
    for k in (0, 10, 29):
        alone = ElasticNet(alpha=model.alphas_[1, k], l1_ratio=1.0, tol=1e-10, max_iter=10000).fit(X, y, v)
        mse = np.average((y - alone.predict(X)) ** 2, weights=v)
        df = (alone.coef_ != 0).sum()
        assert model.df_[1, k] == df
        assert model.criterion_[1, k] == pytest.approx(n * np.log(mse) + factor * df, abs=1e-5)
    best = np.unravel_index(model.criterion_.argmin(), model.criterion_.shape)
    assert (model.l1_ratio_, model.alpha_) == ([0.5, 1.0][best[0]], model.alphas_[best])
    assert not hasattr(model, "mse_path_")


def test_stricter_criteria_choose_sparser_models_and_weights_are_repetitions():
    X, y = data(200, 40)
    sizes = [np.count_nonzero(LassoCV(rule=rule).fit(X, y).coef_) for rule in ("aic", "bic", "ebic")]
    assert sizes == sorted(sizes, reverse=True)
    assert 3 <= sizes[-1] < 8
    v = np.arange(200) % 3
    rows = np.repeat(np.arange(200), v)
    a, b = LassoCV(rule="bic").fit(X, y, v), LassoCV(rule="bic").fit(X[rows], y[rows])
    np.testing.assert_allclose(a.criterion_, b.criterion_, rtol=1e-3)
    assert a.alpha_ == pytest.approx(b.alpha_)


def test_wide_data_do_not_end_at_the_last_alpha():
    X, y = data(40, 300)
    model = LassoCV(rule="ebic", eps=1e-4).fit(X, y)
    assert np.count_nonzero(model.coef_) < 20
    assert np.isinf(model.criterion_[-1])
    assert LassoCV(rule="bic").fit(X[:, :3], 0 * y).coef_.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="rule"):
        MultiTaskLassoCV(rule="bic").fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("classes", [2, 3])
def test_criterion_of_classes_by_hand(classes):
    X, y = data()
    y = np.digitize(y, [0.5] if classes == 2 else [-0.5, 1.5])
    v = np.random.default_rng(1).uniform(0.5, 2, len(y))
    Cs, tight = [1.0, 0.03, 0.2], {"tol": 1e-10, "max_iter": 2000}
    model = LogisticRegressionCV(rule="bic", Cs=Cs, l1_ratios=[1.0, 0.5], **tight).fit(X, y, v)
    for j, C in enumerate(Cs):
        alone = LogisticRegression(C=C, l1_ratio=1.0, **tight).fit(X, y, v)
        deviance = -2 * v @ alone.predict_log_proba(X)[np.arange(len(y)), y]
        assert model.df_[0, j] == (alone.coef_ != 0).sum()
        assert model.criterion_[0, j] == pytest.approx(deviance + np.log(v.sum()) * model.df_[0, j], rel=1e-6)
    i, j = np.unravel_index(model.criterion_.argmin(), (2, 3))
    assert (model.l1_ratio_, model.C_) == ([1.0, 0.5][i], Cs[j])
    assert (model.df_[1] < 12 * classes).all()
    with pytest.raises(ValueError, match="refit=True"):
        LogisticRegressionCV(rule="bic", refit=False).fit(X, y)


def test_degrees_of_freedom_of_a_path():
    X, y = data()
    counts = glm_path(X, np.exp(0.3 * y), "poisson", alphas=8, df=True)
    np.testing.assert_array_equal(counts.df, (counts.coefs != 0).sum(axis=1))
    path = glm_path(X, y, "squared", alphas=[10.0, 0.5, 0.0], l1_ratio=0.0, df=True)
    centred = X - X.mean(axis=0)
    square = np.linalg.eigvalsh(centred.T @ centred / len(y))
    np.testing.assert_allclose(path.df, [(square / (square + a)).sum() for a in path.alphas], rtol=1e-9)
    assert glm_path(X, y, "squared", alphas=3).df is None


TIGHT = {"tol": 1e-10, "max_iter": 10000}


def classes_of(y, classes):
    return y if classes is None else np.digitize(y, [0.5] if classes == 2 else [-0.5, 1.5])


def penalised(classes, **kwargs):
    if classes is None:
        return ElasticNet(alpha=0.1, **{"l1_ratio": 0.9, **kwargs}, **TIGHT)
    return LogisticRegression(C=0.1, **{"l1_ratio": 0.9, **kwargs}, **TIGHT)


each_kind = pytest.mark.parametrize("classes", [None, 2, 3])


@each_kind
@pytest.mark.parametrize("adaptive", ["own", "ridge"])
@pytest.mark.parametrize("standardize", [False, True])
def test_adaptive_is_two_fits(classes, adaptive, standardize):
    X, y = data()
    y, v = classes_of(y, classes), np.random.default_rng(1).uniform(0.5, 2, 120)
    kwargs = {"penalty_factor": np.r_[0.0, np.ones(10), 2.0], "upper": 0.8, "standardize": standardize}
    first = penalised(classes, **kwargs, **({"l1_ratio": 0.0} if adaptive == "ridge" else {})).fit(X, y, v)
    scale = np.sqrt(np.cov(X.T, aweights=v, ddof=0).diagonal()) if standardize else 1.0
    coef = np.atleast_2d(first.coef_) * scale
    size = np.linalg.norm(coef - (coef.mean(axis=0) if classes == 3 else 0), axis=0)
    size /= size[1:].max()
    size[0] = 1
    upper = np.where(size > 0, 0.8, 0)
    by_hand = {**kwargs, "penalty_factor": kwargs["penalty_factor"] / np.where(size > 0, size, 1), "upper": upper}
    second = penalised(classes, **by_hand, lower=np.where(size > 0, -np.inf, 0)).fit(X, y, v)
    model = penalised(classes, adaptive=adaptive, **kwargs).fit(X, y, v)
    np.testing.assert_allclose(model.coef_, second.coef_, atol=2e-5)
    assert model.converged_
    plain = penalised(classes, **kwargs).fit(X, y, v)
    assert np.count_nonzero(model.coef_) <= np.count_nonzero(plain.coef_)


@each_kind
def test_relaxed_fits_are_blends(classes):
    X, y = data()
    y, v = classes_of(y, classes), np.random.default_rng(1).uniform(0.5, 2, 120)
    kwargs = {"penalty_factor": np.r_[2.0, np.ones(11)], "standardize": True, "lower": -0.9}
    plain = penalised(classes, **kwargs).fit(X, y, v)
    support = np.flatnonzero(np.atleast_2d(plain.coef_).any(axis=0))
    assert 0 < len(support) < 12
    if classes is None:
        refit = ElasticNet(alpha=0.0, lower=-0.9, **TIGHT).fit(X[:, support], y, v)
    else:
        refit = LogisticRegression(C=np.inf, lower=-0.9, **TIGHT).fit(X[:, support], y, v)
    for relax in (1.0, 0.3, 0.0):
        model = penalised(classes, relax=relax, **kwargs).fit(X, y, v)
        expected = relax * plain.coef_[..., support] + (1 - relax) * refit.coef_
        np.testing.assert_allclose(model.coef_[..., support], expected, atol=1e-3 if classes else 1e-6)
        assert np.count_nonzero(np.delete(model.coef_, support, axis=-1)) == 0
        intercept = relax * plain.intercept_ + (1 - relax) * refit.intercept_
        np.testing.assert_allclose(model.intercept_, intercept, atol=1e-3 if classes else 1e-6)
        assert model.dual_gap_ == pytest.approx(plain.dual_gap_)


def test_stages_of_nothing_and_of_several_targets():
    X, y = data()
    for kwargs in ({"adaptive": "own"}, {"relax": 0.0}, {"adaptive": "ridge", "relax": 0.5}):
        assert not Lasso(alpha=1e3, **kwargs).fit(X, y).coef_.any()
        assert not LogisticRegression(C=1e-6, l1_ratio=1.0, **kwargs).fit(X, y > 0).coef_.any()
        with pytest.raises(ValueError, match="single target"):
            Lasso(**kwargs).fit(X, np.column_stack([y, y]))
        Lasso(**kwargs).fit(X, y[:, None])
    with pytest.raises(ValueError, match="relax"):
        Lasso(relax=2.0).fit(X, y)
