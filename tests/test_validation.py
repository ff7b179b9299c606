"""Bad input: scikit-learn's error class, a message that names the argument; never a silent NaN."""

import contextlib
import math
import os
import signal
import threading
import time

import numpy as np
import pytest
from cases import ESTIMATORS, PATH_ESTIMATORS
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

import fastreg
from fastreg import Lasso, LassoCV, _validation
from fastreg.model_selection import make_folds

every_estimator = pytest.mark.parametrize("case", ESTIMATORS, ids=str)
every_path_estimator = pytest.mark.parametrize("case", PATH_ESTIMATORS, ids=str)


def data(case, n=30, p=4):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    y = X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(n)
    if case.is_classifier:
        return X, np.where(y > 0, "yes", "no")
    return X, np.column_stack([y, 2 * y]) if case.multitask else y


def make(case, **params):
    return case.ours(**{**case.params, **params})


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csc_array, sparse.csr_array])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_estimator
def test_x_not_finite(case, container, bad, dtype):
    X, y = data(case)
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        make(case).fit(container(X.astype(dtype)), y)


@every_estimator
def test_x_not_finite_at_predict(case):
    X, y = data(case)
    fitted = make(case).fit(X, y)
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(X)
    with pytest.raises(ValueError, match="features"):
        fitted.predict(X[:, :2])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@every_estimator
def test_y_not_finite(case, bad):
    if case.is_classifier:
        pytest.skip("classes are labels")
    X, y = data(case)
    y[3] = bad
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        make(case).fit(X, y)


@every_estimator
def test_lengths(case):
    X, y = data(case)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make(case).fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        make(case).fit(X, y, sample_weight=np.ones(len(X) - 1))
    with pytest.raises(ValueError, match="2D array"):
        make(case).fit(X[:, 0], y)
    with pytest.raises(ValueError, match="0 sample"):
        make(case).fit(X[:0], y[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        make(case).fit(X[:, :0], y)
    with pytest.raises(ValueError, match="y"):
        make(case).fit(X, None)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-1.0, "[Nn]egative values in data passed to `?sample_weight"),
        (0.0, "at least one non-zero"),
        (np.nan, "sample_weight contains NaN"),
        (np.inf, "sample_weight contains infinity"),
        (1e308, "sample_weight overflows"),
    ],
)
@every_path_estimator
def test_weights(case, weight, message):
    X, y = data(case)
    weights = np.full(len(X), weight)
    with pytest.raises(ValueError, match=message):
        make(case).fit(X, y, sample_weight=weights)
    weights = np.ones(len(X))
    if weight == -1.0:
        weights[2] = weight
        with pytest.raises(ValueError, match=message):
            make(case).fit(X, y, sample_weight=weights)


@every_estimator
def test_not_numbers(case):
    X, y = data(case)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        make(case).fit(X + 1j, y)
    words = X.astype(object)
    words[1, 1] = "high"
    with pytest.raises(ValueError, match="could not convert string to float"):
        make(case).fit(words, y)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).rename(columns=str)
    frame["1"] = "high"
    with pytest.raises(ValueError, match="could not convert string to float"):
        make(case).fit(frame, y)


@every_path_estimator
def test_complex_and_sparse_y(case):
    X, y = data(case)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        make(case).fit(X, y + 1j)
    with pytest.raises((ValueError, TypeError), match="[Ss]parse"):
        make(case).fit(X, sparse.csr_matrix(y.reshape(len(y), -1)))


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
    X, y = data(case)
    estimator = make(case).fit(X, y)
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
    X, y = data(case)
    with pytest.raises(ValueError, match=message):
        make(case, **params).fit(X, y)


@pytest.mark.parametrize("container", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("scale", [1e100, 1e154, 1e200, 1e308])
@pytest.mark.parametrize("what", ["X", "y", "both", "one column"])
@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_overflow_is_never_silent(case, container, what, scale):
    """Either finite, or an error that says so."""
    X, y = data(case)
    X, y = X / np.abs(X).max(), y / np.abs(y).max()
    if what in ("X", "both"):
        X = X * scale
    if what == "one column":
        X[:, 1] *= scale
    if what in ("y", "both"):
        y = y * scale
    try:
        fitted = make(case).fit(container(X), y)
    except ValueError as error:
        assert "too large" in str(error) or "overflow" in str(error)  # noqa: PT017
        return
    for name in ("coef_", "intercept_", "dual_gap_"):
        assert np.isfinite(getattr(fitted, name)).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-30])
@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tiny_values(case, scale):
    X, y = data(case)
    for X_small, y_small in ((X * scale, y), (X, y * scale), (X * scale, y * scale)):
        fitted = make(case).fit(X_small, y_small)
        assert np.isfinite(fitted.coef_).all()
        assert np.isfinite(fitted.dual_gap_).all()


@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_degenerate_shapes(case):
    """One row, one column, constant columns, duplicated columns."""
    X, y = data(case)
    if not case.is_cv:
        fitted = make(case).fit(X[:1], y[:1])
        np.testing.assert_allclose(fitted.coef_, 0)
        np.testing.assert_allclose(fitted.intercept_, y[0])
        without = make(case, fit_intercept=False).fit(X[:1], y[:1])
        assert np.isfinite(without.coef_).all()
    one = make(case).fit(X[:, :1], y)
    assert np.ravel(one.coef_)[0] > 0
    constant = make(case).fit(np.full_like(X, 3.7), y)
    np.testing.assert_array_equal(constant.coef_, 0)
    np.testing.assert_allclose(constant.intercept_, y.mean(axis=0))
    twice = make(case).fit(np.hstack([X, X]), y)
    np.testing.assert_allclose(twice.predict(np.hstack([X, X])), make(case).fit(X, y).predict(X), atol=0.1)
    zeros = make(case).fit(sparse.csc_array(X.shape), y)
    np.testing.assert_array_equal(zeros.coef_, 0)


@every_path_estimator
def test_constant_target(case):
    X, y = data(case)
    fitted = make(case).fit(X, np.full_like(y, 2.5))
    np.testing.assert_array_equal(fitted.coef_, 0)
    np.testing.assert_allclose(fitted.intercept_, 2.5)
    assert np.all(fitted.converged_)


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if case.is_cv], ids=str)
def test_targets_of_the_other_kind(case):
    X, y = data(case)
    if case.multitask:
        with pytest.raises(ValueError, match=f"use {case.name.removeprefix('MultiTask')}"):
            make(case).fit(X, y[:, 0])
    else:
        with pytest.raises(ValueError, match=f"use MultiTask{case.name}"):
            make(case).fit(X, np.column_stack([y, y]))


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
    X, y = data(case)
    with pytest.raises(error, match=message):
        make(case, alphas=alphas).fit(X, y)


def test_l1_ratios():
    X, y = data(PATH_ESTIMATORS[0])
    for ratio in ([0.5, 2.0], [], [[0.5]], [np.nan]):
        with pytest.raises(ValueError, match="l1_ratio must be"):
            fastreg.ElasticNetCV(l1_ratio=ratio).fit(X, y)
    with pytest.raises(ValueError, match="l1_ratio=0"):
        fastreg.ElasticNetCV(l1_ratio=[0.0, 0.5]).fit(X, y)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], "no folds"),
        ([([], [0, 1])], "Fold 0 of cv has no training rows"),
        ([([0, 1], [2]), ([0, 1], [])], "Fold 1 of cv has no test rows"),
        ([([0, 1], [30])], "outside the 30 rows"),
        ([([0, -31], [3])], "outside the 30 rows"),
        ([([0.5, 1.5], [3])], "row numbers"),
        ([(np.ones(7, bool), [3])], "mask of shape"),
    ],
    ids=str,
)
def test_folds(cv, message):
    X, y = data(PATH_ESTIMATORS[0])
    with pytest.raises(ValueError, match=message):
        LassoCV(cv=cv).fit(X, y)


def test_folds_need_weight():
    X, y = data(PATH_ESTIMATORS[0])
    weight = np.ones(30)
    weight[:10] = 0
    with pytest.raises(ValueError, match="Fold 0 of cv has no test rows with a positive weight"):
        LassoCV(cv=3).fit(X, y, sample_weight=weight)
    assert len(make_folds(3, X, y)) == 3


def test_ctrl_c_stops_a_long_fit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 200)) + 30 * rng.standard_normal((300, 1))  # no fixed point of rounding is near
    Y = rng.standard_normal((300, 3))
    forever = {"tol": 0.0, "max_iter": 10**9}
    for fit in (
        lambda: fastreg.MultiTaskLasso(1e-3, **forever).fit(X, Y),
        lambda: fastreg.lasso_path(X, Y[:, 0], alphas=100_000, eps=1e-6, tol=1e-10),
    ):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        start = time.perf_counter()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            fit()
        assert time.perf_counter() - start < 3  # a second, and patience for a busy machine


# ---------------------------------------------------------------------------------------------------------
# the quick way says the same as the slow way


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_input_takes_the_quick_way(monkeypatch, dtype, order):
    X, y = data(PATH_ESTIMATORS[0])
    X = np.array(X, dtype=dtype, order=order)
    slow = Lasso(0.1).fit(X.tolist() if dtype == np.float64 else X[:, :, None][:, :, 0], y)

    def never(*args, **kwargs):
        raise AssertionError("the slow way")

    monkeypatch.setattr(_validation.data, "validate_data", never)
    quick = Lasso(0.1).fit(X, y)
    np.testing.assert_allclose(quick.coef_, slow.coef_)
    np.testing.assert_allclose(quick.predict(X), slow.predict(X))
    assert quick.n_features_in_ == slow.n_features_in_


def test_plain_parameters_are_checked_once(monkeypatch):
    X, y = data(PATH_ESTIMATORS[0])
    Lasso(0.1).fit(X, y)
    names, accepted = Lasso._known_params
    monkeypatch.setattr(Lasso, "_known_params", (names, set(accepted)))
    calls = []
    monkeypatch.setattr(Lasso, "_validate_params", lambda self: calls.append(self))
    for alpha in (0.1, 0.2, 1):
        Lasso(alpha).fit(X, y)
    assert not calls
    for params in (
        {"fit_intercept": 1},
        {"alpha": True},
        {"alpha": np.float64(1)},
        {"penalty_factor": None, "tol": "0"},
    ):
        calls.clear()
        with contextlib.suppress(Exception):  # what follows an invalid parameter is not the point
            Lasso(**params).fit(X, y)
        assert len(calls) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_finite_values_whose_sum_overflows_are_accepted():
    X, y = data(PATH_ESTIMATORS[0])
    X32 = X.astype(np.float32)
    X32[:, 0] = np.float32(3e38) * np.sign(X32[:, 0])
    X32[:, 1] = np.float32(3e38)
    fitted = Lasso(0.1).fit(X32, y)
    assert np.isfinite(fitted.coef_).all()


def test_integers_are_not_copied(monkeypatch):
    """The Design gets the caller's own array."""
    from fastreg.linear import _base

    seen = []

    class Spy(_base.Design):
        def __init__(self, X, *args, **kwargs):
            seen.append(X)
            super().__init__(X, *args, **kwargs)

    monkeypatch.setattr(_base, "Design", Spy)
    X = np.arange(40).reshape(10, 4) % 7
    y = np.arange(10.0)
    for own in (X, X.astype(np.uint8), X > 3, X.astype(np.float32), X.astype(float)[::2]):
        Lasso(0.1).fit(own, y[: len(own)])
        assert np.shares_memory(seen[-1], own)
        assert seen[-1].dtype == own.dtype
    compressed = sparse.csc_array(X)
    Lasso(0.1).fit(compressed, y)
    assert np.shares_memory(seen[-1].data, compressed.data)
