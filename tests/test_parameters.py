"""Wrong parameters: scikit-learn's error class, a message that names the argument."""

import contextlib
import math

import numpy as np
import pytest
from cases import PATH_ESTIMATORS
from laws import few_rows
from sklearn.utils._param_validation import InvalidParameterError

import fastreg
from fastreg import Lasso

WRONG = [
    ("alpha", -1.0),
    ("alpha", math.nan),
    ("alpha", math.inf),
    ("alpha", "strong"),
    ("alpha", None),
    ("l1_ratio", 1.5),
    ("l1_ratio", -0.1),
    ("tol", -1e-3),
    ("tol", math.nan),
    ("max_iter", 0),
    ("max_iter", 10.5),
    ("fit_intercept", "yes"),
    ("fit_intercept", 1),
    ("positive", 1),
    ("precompute", "yes"),
    ("selection", "greedy"),
    ("random_state", "seed"),
    ("copy_X", None),
    ("warm_start", 2),
    ("standardize", 1),
    ("penalty_factor", 2.0),
    ("lower", "low"),
    ("rule", "2se"),
    ("cv", 1.5),
    ("alphas", 0),
    ("eps", 0),
]


@pytest.mark.parametrize(
    ("case", "name", "value"),
    [
        pytest.param(case, name, value, id=f"{case}-{name}-{value}")
        for case in PATH_ESTIMATORS
        for name, value in WRONG
        if name in case.ours().get_params()
    ],
)
def test_parameters(case, name, value):
    """scikit-learn's InvalidParameterError, also after a fit whose parameters were fine."""
    X, y = few_rows(case)
    estimator = case.make().fit(X, y)
    estimator.set_params(**{name: value})
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of {case.name}"):
        estimator.fit(X, y)


WRONG_ARRAYS = [
    ({"penalty_factor": [1, 1]}, r"penalty_factor has shape \(2,\), but X has 4"),
    ({"penalty_factor": [1, 1, 1, -1]}, "penalty_factor must be finite and non-negative"),
    ({"penalty_factor": [1, 1, 1, np.nan]}, "penalty_factor must be finite and non-negative"),
    ({"penalty_factor": [1, 1, 1, np.inf]}, "penalty_factor must be finite.*bounds"),
    ({"penalty_factor": ["a", 1, 1, 1]}, "penalty_factor must be a number"),
    ({"lower": 0.5}, "lower must be <= 0"),
    ({"lower": [-1, -1]}, r"lower has shape"),
    ({"lower": [-1, np.nan, 0, 0]}, "lower must be <= 0"),
    ({"upper": -0.5}, "upper must be >= 0"),
    ({"upper": [[1, 1, 1, 1]]}, "upper has shape"),
]


@pytest.mark.parametrize(
    ("case", "params", "message"),
    [
        pytest.param(case, params, message, id=f"{case}-{params}")
        for case in PATH_ESTIMATORS
        for params, message in WRONG_ARRAYS
        if set(params) <= set(case.ours().get_params())
    ],
)
def test_factors_and_bounds(case, params, message):
    X, y = few_rows(case)
    with pytest.raises(ValueError, match=message):
        case.make(**params).fit(X, y)


@pytest.mark.parametrize(
    ("alphas", "error", "message"),
    [
        ([], ValueError, "alphas must hold"),
        ([0.1, -1.0], ValueError, r"alphas\[1\]"),
        ([0.1, "x"], TypeError, r"alphas\[1\]"),
        ([0.1, np.nan], ValueError, "finite"),
        ([0.1, np.inf], ValueError, "finite"),
    ],
)
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if case.is_cv], ids=str)
def test_alphas(case, alphas, error, message):
    X, y = few_rows(case)
    with pytest.raises(error, match=message):
        case.make(alphas=alphas).fit(X, y)


def test_l1_ratios():
    X, y = few_rows(PATH_ESTIMATORS[0])
    for ratio in ([0.5, 2.0], [], [[0.5]], [np.nan]):
        with pytest.raises(ValueError, match="l1_ratio must be"):
            fastreg.ElasticNetCV(l1_ratio=ratio).fit(X, y)
    with pytest.raises(ValueError, match="l1_ratio=0"):
        fastreg.ElasticNetCV(l1_ratio=[0.0, 0.5]).fit(X, y)


def test_plain_parameters_are_checked_once(monkeypatch):
    X, y = few_rows(PATH_ESTIMATORS[0])
    Lasso(0.1).fit(X, y)
    names, accepted = Lasso._known_params
    monkeypatch.setattr(Lasso, "_known_params", (names, set(accepted)))
    calls = []
    monkeypatch.setattr(Lasso, "_validate_params", lambda self: calls.append(self))
    for alpha in (0.1, 0.2, 1, np.float64(0.3)):
        Lasso(alpha).fit(X, y)
    assert not calls
    for params in (
        {"fit_intercept": 1},
        {"alpha": True},
        {"alpha": np.float64(np.nan)},
        {"penalty_factor": None, "tol": "0"},
    ):
        calls.clear()
        with contextlib.suppress(Exception):  # what follows an invalid parameter is not the point
            Lasso(**params).fit(X, y)
        assert len(calls) == 1
