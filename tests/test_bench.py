"""The benchmark's judge: 0 at an optimum, and anywhere else no less than how far that is below."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import xlogy

from fastreg import GeneralizedLinearRegressor, GroupL1, LogisticRegression, MultiTaskElasticNet, glm_path

spec = importlib.util.spec_from_file_location("judge", Path(__file__).parents[1] / "bench" / "objective.py")
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 8))
RAW = X[:, 0] - 0.5 * X[:, 1] + 0.3
# loss of a raw prediction, targets, the best constant from their mean, the judge
LOSSES = {
    "squared": (lambda r, y: (y - r) ** 2 / 2, RAW + rng.standard_normal(60), lambda m: m, judge.relative_gaps),
    "logistic": (
        lambda r, y: np.logaddexp(0, r) - y * r,
        (rng.logistic(RAW) > 0) + 0.0,
        lambda m: np.log(m / (1 - m)),
        judge.logistic_gap,
    ),
    "poisson": (
        lambda r, y: np.exp(r) - y * r + xlogy(y, y) - y,
        rng.poisson(np.exp(RAW)) + 0.0,
        np.log,
        partial(judge.log_link_gap, "poisson"),
    ),
    "gamma": (
        lambda r, y: r + y * np.exp(-r) - np.log(y) - 1,
        rng.gamma(2, np.exp(RAW)),
        np.log,
        partial(judge.log_link_gap, "gamma"),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gap_bounds_the_distance(name, l1_ratio, fit_intercept):
    loss, y, constant, gap = LOSSES[name]
    alpha = 0.05
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)

    def objective(w, b):
        return loss(X @ w + b, y).mean() + l1 * np.abs(w).sum() + l2 / 2 * w @ w

    def judged(w, b):
        return np.ravel(gap(X, y, w, b, l1, l2, fit_intercept=fit_intercept))[0]

    options = {"alphas": [alpha], "l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "tol": 1e-12}
    path = glm_path(X, y, name, **options)
    w, b = path.coefs[0], float(path.intercepts[0])
    null = objective(np.zeros(8), constant(y.mean()) if fit_intercept else 0.0)
    assert abs(judged(w, b)) < 1e-9
    for size in (1e-3, 1e-2, 0.1):
        other = w + size * rng.standard_normal(8), b + size * fit_intercept
        assert judged(*other) >= (objective(*other) - objective(w, b)) / null > 0
    assert judged(w + np.inf, b) == np.inf


def test_gaps_of_several_outputs_and_of_groups():
    labels = np.argmax(np.column_stack([RAW, -RAW, X[:, 2]]) + rng.gumbel(size=(60, 3)), axis=1)
    fit = LogisticRegression(C=1 / (60 * 0.05), l1_ratio=0.4, tol=1e-12).fit(X, labels)
    found = judge.multinomial_gap(X, labels, fit.coef_, fit.intercept_, 0.02, 0.03, fit_intercept=True)
    assert abs(found) < 1e-9
    assert judge.multinomial_gap(X, labels, fit.coef_ + 0.1, fit.intercept_, 0.02, 0.03, fit_intercept=True) > 1e-3
    Y = np.column_stack([RAW, X[:, 2]])
    fit = MultiTaskElasticNet(0.05, l1_ratio=0.4, tol=1e-12).fit(X, Y)
    assert abs(judge.multitask_gap(X, Y, fit.coef_, fit.intercept_, 0.02, 0.03, fit_intercept=True)) < 1e-9
    assert judge.multitask_gap(X, Y, fit.coef_ + 0.1, fit.intercept_, 0.02, 0.03, fit_intercept=True) > 1e-3
    fit = GeneralizedLinearRegressor("squared", GroupL1(0.1), groups=2, fit_intercept=False, tol=1e-12).fit(X, RAW)
    assert abs(judge.group_gap(X, RAW, fit.coef_, 0.1, 2)) < 1e-9
    assert judge.group_gap(X, RAW, fit.coef_ + 0.1, 0.1, 2) > 1e-3
