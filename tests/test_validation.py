"""Bad data: scikit-learn's error class, a message that names the argument; never a silent NaN."""

import numpy as np
import pytest
from cases import ESTIMATORS, PATH_ESTIMATORS
from laws import few_rows
from scipy import sparse

from fastreg import ElasticNet, Lasso, LassoCV, _validation
from fastreg.model_selection import make_folds

every_estimator = pytest.mark.parametrize("case", ESTIMATORS, ids=str)
every_path_estimator = pytest.mark.parametrize("case", PATH_ESTIMATORS, ids=str)


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csc_array, sparse.csr_array])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_estimator
def test_x_not_finite(case, container, bad, dtype):
    X, y = few_rows(case)
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        case.make().fit(container(X.astype(dtype)), y)


@every_estimator
def test_x_not_finite_at_predict(case):
    X, y = few_rows(case)
    fitted = case.make().fit(X, y)
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
    X, y = few_rows(case)
    y[3] = bad
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        case.make().fit(X, y)


@every_estimator
def test_lengths(case):
    X, y = few_rows(case)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        case.make().fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        case.make().fit(X, y, sample_weight=np.ones(len(X) - 1))
    with pytest.raises(ValueError, match="2D array"):
        case.make().fit(X[:, 0], y)
    with pytest.raises(ValueError, match="0 sample"):
        case.make().fit(X[:0], y[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        case.make().fit(X[:, :0], y)
    with pytest.raises(ValueError, match="y"):
        case.make().fit(X, None)


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
    X, y = few_rows(case)
    weights = np.full(len(X), weight)
    with pytest.raises(ValueError, match=message):
        case.make().fit(X, y, sample_weight=weights)
    weights = np.ones(len(X))
    if weight == -1.0:
        weights[2] = weight
        with pytest.raises(ValueError, match=message):
            case.make().fit(X, y, sample_weight=weights)


@every_estimator
def test_not_numbers(case):
    X, y = few_rows(case)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        case.make().fit(X + 1j, y)
    words = X.astype(object)
    words[1, 1] = "high"
    with pytest.raises(ValueError, match="could not convert string to float"):
        case.make().fit(words, y)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).rename(columns=str)
    frame["1"] = "high"
    with pytest.raises(ValueError, match="could not convert string to float"):
        case.make().fit(frame, y)


@every_path_estimator
def test_complex_and_sparse_y(case):
    X, y = few_rows(case)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        case.make().fit(X, y + 1j)
    with pytest.raises((ValueError, TypeError), match="[Ss]parse"):
        case.make().fit(X, sparse.csr_matrix(y.reshape(len(y), -1)))


@pytest.mark.parametrize("container", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("scale", [1e100, 1e154, 1e200, 1e308])
@pytest.mark.parametrize("what", ["X", "y", "both", "one column"])
@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_overflow_is_never_silent(case, container, what, scale):
    """Either finite, or an error that says so."""
    X, y = few_rows(case)
    X, y = X / np.abs(X).max(), y / np.abs(y).max()
    if what in ("X", "both"):
        X = X * scale
    if what == "one column":
        X[:, 1] *= scale
    if what in ("y", "both"):
        y = y * scale
    try:
        fitted = case.make().fit(container(X), y)
    except ValueError as error:
        assert "too large" in str(error) or "overflow" in str(error)  # noqa: PT017
        return
    for name in ("coef_", "intercept_", "dual_gap_"):
        assert np.isfinite(getattr(fitted, name)).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-30])
@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tiny_values(case, scale):
    X, y = few_rows(case)
    for X_small, y_small in ((X * scale, y), (X, y * scale), (X * scale, y * scale)):
        fitted = case.make().fit(X_small, y_small)
        assert np.isfinite(fitted.coef_).all()
        assert np.isfinite(fitted.dual_gap_).all()


@every_path_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_degenerate_shapes(case):
    """One row, one column, constant columns, duplicated columns."""
    X, y = few_rows(case)
    if not case.is_cv:
        fitted = case.make().fit(X[:1], y[:1])
        np.testing.assert_allclose(fitted.coef_, 0)
        np.testing.assert_allclose(fitted.intercept_, y[0])
        without = case.make(fit_intercept=False).fit(X[:1], y[:1])
        assert np.isfinite(without.coef_).all()
    one = case.make().fit(X[:, :1], y)
    assert np.ravel(one.coef_)[0] > 0
    constant = case.make().fit(np.full_like(X, 3.7), y)
    np.testing.assert_array_equal(constant.coef_, 0)
    np.testing.assert_allclose(constant.intercept_, y.mean(axis=0))
    twice = case.make().fit(np.hstack([X, X]), y)
    np.testing.assert_allclose(twice.predict(np.hstack([X, X])), case.make().fit(X, y).predict(X), atol=0.1)
    zeros = case.make().fit(sparse.csc_array(X.shape), y)
    np.testing.assert_array_equal(zeros.coef_, 0)


@every_path_estimator
def test_constant_target(case):
    X, y = few_rows(case)
    fitted = case.make().fit(X, np.full_like(y, 2.5))
    np.testing.assert_array_equal(fitted.coef_, 0)
    np.testing.assert_allclose(fitted.intercept_, 2.5)
    assert np.all(fitted.converged_)


@every_path_estimator
def test_a_constant_is_constant_whatever_its_mean_is_rounded_to(case):
    X, y = few_rows(case)
    weight = np.random.default_rng(1).uniform(0.1, 1, len(X))
    free = {} if case.multitask else {"penalty_factor": [0, 1, 1, 0]}
    fitted = case.make(tol=1e-10, **free).fit(X, np.full_like(y, 0.1), sample_weight=weight)
    np.testing.assert_array_equal(fitted.coef_, 0)
    assert np.max(fitted.n_iter_) <= 2


@pytest.mark.parametrize("case", [case for case in ESTIMATORS if not case.is_classifier], ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_float32_cannot_hold_is_an_error(case):
    """Coefficients come back in the type of X; RuntimeWarnings are errors here."""
    X, y = few_rows(case)
    with pytest.raises(ValueError, match="too large"):
        case.make().fit(X.astype(np.float32), 1e60 * y)


@pytest.mark.parametrize("alpha", [1e-300, 1e-20])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1 - 1e-6])
@pytest.mark.parametrize("p", [4, 80])
def test_an_alpha_lost_in_rounding_is_0(alpha, l1_ratio, p):
    """Its conjugate of that rounding would be all of the gap."""
    X, y = few_rows(PATH_ESTIMATORS[0], n=100, p=p)
    fitted = ElasticNet(alpha, l1_ratio=l1_ratio, tol=1e-8).fit(X, y)
    least_squares = Lasso(0.0, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(fitted.coef_, least_squares.coef_, atol=1e-4)
    assert fitted.converged_ if hasattr(fitted, "converged_") else fitted.dual_gap_ <= 1e-8 * np.var(y)


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if case.is_cv], ids=str)
def test_targets_of_the_other_kind(case):
    X, y = few_rows(case)
    if case.multitask:
        with pytest.raises(ValueError, match=f"use {case.name.removeprefix('MultiTask')}"):
            case.make().fit(X, y[:, 0])
    else:
        with pytest.raises(ValueError, match=f"use MultiTask{case.name}"):
            case.make().fit(X, np.column_stack([y, y]))


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
    X, y = few_rows(PATH_ESTIMATORS[0])
    with pytest.raises(ValueError, match=message):
        LassoCV(cv=cv).fit(X, y)


def test_folds_need_weight():
    X, y = few_rows(PATH_ESTIMATORS[0])
    weight = np.ones(30)
    weight[:10] = 0
    with pytest.raises(ValueError, match="Fold 0 of cv has no test rows with a positive weight"):
        LassoCV(cv=3).fit(X, y, sample_weight=weight)
    assert len(make_folds(3, X, y)) == 3


# ---------------------------------------------------------------------------------------------------------
# the quick way says the same as the slow way


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_input_takes_the_quick_way(monkeypatch, dtype, order):
    X, y = few_rows(PATH_ESTIMATORS[0])
    X = np.array(X, dtype=dtype, order=order)
    slow = Lasso(0.1).fit(X.tolist() if dtype == np.float64 else X[:, :, None][:, :, 0], y)

    def never(*args, **kwargs):
        raise AssertionError("the slow way")

    monkeypatch.setattr(_validation.data, "validate_data", never)
    quick = Lasso(0.1).fit(X, y)
    np.testing.assert_allclose(quick.coef_, slow.coef_)
    np.testing.assert_allclose(quick.predict(X), slow.predict(X))
    assert quick.n_features_in_ == slow.n_features_in_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_finite_values_whose_sum_overflows_are_accepted():
    X, y = few_rows(PATH_ESTIMATORS[0])
    X32 = X.astype(np.float32)
    X32[:, 0] = np.float32(3e38) * np.sign(X32[:, 0])
    X32[:, 1] = np.float32(3e38)
    fitted = Lasso(0.1).fit(X32, y)
    assert np.isfinite(fitted.coef_).all()


def test_integers_are_not_copied(monkeypatch):
    """The Design gets the caller's own array."""
    from fastreg import _linear_model

    seen = []

    class Spy(_linear_model.Design):
        def __init__(self, X, *args, **kwargs):
            seen.append(X)
            super().__init__(X, *args, **kwargs)

    monkeypatch.setattr(_linear_model, "Design", Spy)
    X = np.arange(40).reshape(10, 4) % 7
    y = np.arange(10.0)
    for own in (X, X.astype(np.uint8), X > 3, X.astype(np.float32), X.astype(float)[::2]):
        Lasso(0.1).fit(own, y[: len(own)])
        assert np.shares_memory(seen[-1], own)
        assert seen[-1].dtype == own.dtype
    compressed = sparse.csc_array(X)
    Lasso(0.1).fit(compressed, y)
    assert np.shares_memory(seen[-1].data, compressed.data)
