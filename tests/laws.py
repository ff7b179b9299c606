"""What the tests of the path estimators share: problems, tight fits, and when two fits are the same."""

import numpy as np
import pytest
from cases import PATH_ESTIMATORS

TIGHT = {"tol": 1e-12, "max_iter": 100_000}
# Block descent has no Newton step to end with: what is left of its gap is of the order of tol.
TIGHT_MULTITASK = {"tol": 1e-10, "max_iter": 100_000}
SHAPES = {"tall": (60, 8), "wide": (20, 50)}

every_estimator = pytest.mark.parametrize("case", PATH_ESTIMATORS, ids=str)
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def data(case, shape, seed=0):
    """X with columns of different means and scales, and a constant one."""
    n, p = shape
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p) + rng.standard_normal(p)
    X[:, 3] = 1.5
    coef = np.zeros(p)
    coef[:3] = [2.0, -1.0, 0.5]
    y = X @ coef + 3 + rng.standard_normal(n)
    return X, np.column_stack([y, rng.standard_normal(n), y - X[:, 0]]) if case.multitask else y


def few_rows(case, n=30, p=4):
    """Data for any estimator that it fits in no time."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    y = X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(n)
    if case.is_classifier:
        return X, np.where(y > 0, "yes", "no")
    return X, np.column_stack([y, 2 * y]) if case.multitask else y


def fit(case, X, y, sample_weight=None, **params):
    return case.make(**{**tight(case), **params}).fit(X, y, sample_weight=sample_weight)


def tight(case):
    return TIGHT_MULTITASK if case.multitask else TIGHT


def slack(name):
    """How far coefficients of two tight fits of one problem may be apart."""
    return 1e-4 if str(name).startswith("MultiTask") else 2e-6


def close(a, b, tol=None):
    """Two fits of one problem."""
    tol = tol or slack(type(a).__name__)
    scale = max(1.0, np.abs(b.coef_).max())
    np.testing.assert_allclose(a.coef_, b.coef_, atol=tol * scale)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=10 * tol * scale)
    if hasattr(a, "alpha_"):
        np.testing.assert_allclose(a.alpha_, b.alpha_, rtol=tol)
        np.testing.assert_allclose(a.mse_path_, b.mse_path_, rtol=10 * tol)


def penalties(case, p, model):
    """l1 and l2 per feature, in the units of the objective."""
    factor = np.ones(p) if model.penalty_factor is None else np.asarray(model.penalty_factor)
    alpha = model.alpha_ if case.is_cv else model.alpha
    ratio = model.l1_ratio_ if hasattr(model, "l1_ratio_") else getattr(model, "l1_ratio", 1.0)
    return alpha * ratio * factor, alpha * (1 - ratio) * factor
