"""Paths are single fits, and cross-validation is the loop by hand."""

import warnings

import numpy as np
import pytest
from cases import PATH_ESTIMATORS
from laws import SHAPES, TIGHT, close, data, every_shape, fit, slack, tight
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import InvalidParameterError

import fastreg
from fastreg import ElasticNet, Lasso, LassoCV, MultiTaskElasticNet, enet_path, lasso_path
from fastreg.model_selection import choose_alpha

# ---------------------------------------------------------------------------------------------------------
# paths


@every_shape
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("make", [np.asarray, sparse.csc_array])
def test_path_is_single_fits(shape, ratio, fit_intercept, make):
    X, y = data(PATH_ESTIMATORS[0], shape)
    alphas, coefs, gaps, n_iters = enet_path(
        make(X),
        y,
        l1_ratio=ratio,
        alphas=8,
        eps=0.01,
        fit_intercept=fit_intercept,
        return_n_iter=True,
        **TIGHT,
    )
    assert coefs.shape == (X.shape[1], 8)
    assert gaps.shape == (8,)
    assert len(n_iters) == 8
    assert (np.diff(alphas) < 0).all()
    assert (np.abs(coefs[:, 0]) < 1e-9).all()
    for k, alpha in enumerate(alphas):
        single = ElasticNet(alpha, l1_ratio=ratio, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        np.testing.assert_allclose(coefs[:, k], single.coef_, atol=5e-6)
    packed = enet_path(
        make(X),
        y,
        l1_ratio=ratio,
        alphas=alphas[::-1],
        fit_intercept=fit_intercept,
        dense_output=False,
        **TIGHT,
    )
    np.testing.assert_array_equal(packed[0], alphas)
    assert packed[1].format == "csc"
    np.testing.assert_allclose(packed[1].toarray(), coefs, atol=5e-6)


@pytest.mark.parametrize("targets", [None, 3])
@pytest.mark.parametrize("path", ["lasso_path", "enet_path"])
def test_path_scikit_learn(path, targets):
    case = PATH_ESTIMATORS[0] if targets is None else PATH_ESTIMATORS[4]
    X, y = data(case, SHAPES["tall"])
    X, y = X - X.mean(axis=0), y - y.mean(axis=0)
    from sklearn import linear_model

    ours = getattr(fastreg, path)(X, y, alphas=10, **TIGHT)
    theirs = getattr(linear_model, path)(X, y, alphas=10, tol=1e-10, max_iter=100_000)
    np.testing.assert_allclose(ours[0], theirs[0])
    assert ours[1].shape == theirs[1].shape
    assert ours[2].shape == theirs[2].shape
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-4)


def test_path_arguments():
    X, y = data(PATH_ESTIMATORS[0], SHAPES["tall"])
    with pytest.warns(FutureWarning, match="n_alphas"):
        assert len(lasso_path(X, y, n_alphas=5)[0]) == 5
    with pytest.warns(FutureWarning, match="alphas=None"):
        assert len(lasso_path(X, y, alphas=None)[0]) == 100
    assert len(enet_path(X, y)[0]) == 100
    with pytest.raises(ValueError, match="Unexpected parameters"):
        lasso_path(X, y, alpha=1.0)
    for wrong in (
        {"eps": 0},
        {"tol": -1},
        {"max_iter": 0},
        {"alphas": 0},
        {"positive": 1},
        {"selection": "x"},
    ):
        for _ in range(2):
            with pytest.raises(InvalidParameterError, match=f"'{next(iter(wrong))}' parameter of lasso_path"):
                lasso_path(X, y, **wrong)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        lasso_path(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        lasso_path(X, y[:-1])
    with pytest.raises(ValueError, match="multi-output"):
        lasso_path(X, np.column_stack([y, y]), positive=True)
    with pytest.raises(ValueError, match="l1_ratio=0"):
        enet_path(X, y, l1_ratio=0)
    with pytest.raises(ValueError, match="finite"):
        lasso_path(X, y, alphas=[np.nan])
    assert enet_path(X.astype(np.float32), y, alphas=3)[1].dtype == np.float32
    assert (lasso_path(X, y, alphas=5, positive=True)[1] >= 0).all()


def test_path_coef_init():
    X, y = data(PATH_ESTIMATORS[0], SHAPES["tall"])
    solution = lasso_path(X, y, alphas=[0.1], **TIGHT)[1][:, 0]
    _, again, _, n_iters = lasso_path(X, y, alphas=[0.1], coef_init=solution, return_n_iter=True, **TIGHT)
    np.testing.assert_allclose(again[:, 0], solution, atol=1e-6)
    assert n_iters[0] >= 1


# ---------------------------------------------------------------------------------------------------------
# cross-validation


CV_CASES = [case for case in PATH_ESTIMATORS if case.is_cv]


@every_shape
@pytest.mark.parametrize("case", CV_CASES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("extra", [{}, {"standardize": True}, {"fit_intercept": False}], ids=str)
def test_cv_is_the_loop_by_hand(case, shape, weighted, extra):
    X, y = data(case, shape)
    weight = np.random.default_rng(3).uniform(0, 2, len(X)) if weighted else None
    model = fit(case, X, y, weight, cv=KFold(4, shuffle=True, random_state=0), **extra)
    single = MultiTaskElasticNet if case.multitask else ElasticNet
    ratios = np.atleast_1d(getattr(model, "l1_ratio", 1.0))
    alphas = np.atleast_2d(model.alphas_)
    mse = np.empty((len(ratios), alphas.shape[1], 4))
    for k, (train, test) in enumerate(KFold(4, shuffle=True, random_state=0).split(X)):
        for r, ratio in enumerate(ratios):
            for a, alpha in enumerate(alphas[r]):
                one = single(alpha, l1_ratio=ratio, **extra, **tight(case))
                one.fit(X[train], y[train], None if weight is None else weight[train])
                error = (one.predict(X[test]) - y[test]) ** 2
                mse[r, a, k] = np.average(
                    error.reshape(len(test), -1).mean(axis=1),
                    weights=None if weight is None else weight[test],
                )
    np.testing.assert_allclose(model.mse_path_, np.squeeze(mse), rtol=10 * slack(case))
    r, a = np.unravel_index(mse.mean(axis=2).argmin(), mse.shape[:2])
    assert model.alpha_ == alphas[r, a]
    refit = single(model.alpha_, l1_ratio=ratios[r], **extra, **tight(case)).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, refit.coef_, atol=slack(case))


@every_shape
@pytest.mark.parametrize("case", CV_CASES, ids=str)
def test_one_standard_error_rule(case, shape):
    X, y = data(case, shape)
    smallest, sparser = fit(case, X, y), fit(case, X, y, rule="1se")
    results = sparser.cv_results_
    mse = np.atleast_3d(sparser.mse_path_.T).T
    mean, error = mse.mean(axis=2), mse.std(axis=2, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(np.atleast_2d(results["mean_mse"]), mean)
    np.testing.assert_allclose(np.atleast_2d(results["se_mse"]), error)
    np.testing.assert_allclose(np.atleast_2d(results["std_mse"]), error * np.sqrt(3))
    np.testing.assert_array_equal(results["alphas"], sparser.alphas_)
    r, a = np.unravel_index(mean.argmin(), mean.shape)
    within = mean[r] <= mean[r, a] + error[r, a]
    assert sparser.alpha_ == np.atleast_2d(sparser.alphas_)[r][within].max()
    assert sparser.alpha_ >= smallest.alpha_


@pytest.mark.parametrize(
    ("mean", "error", "rule", "chosen"),
    [
        ([[3.0, 2.0, 1.0, 1.5]], 0.4, "min", (0, 2)),
        ([[3.0, 2.0, 1.0, 1.5]], 1.0, "1se", (0, 1)),
        ([[3.0, 2.0, 1.0, 1.0]], 0.0, "min", (0, 2)),  # of equal ones the largest alpha
        ([[3.0, 2.0, 1.0, 1.0]], 0.0, "1se", (0, 2)),
        ([[3.0, 2.0], [1.0, 0.5], [0.5, 2.0]], 0.5, "min", (1, 1)),  # of equal ones the first l1_ratio
        ([[3.0, 2.0], [1.0, 0.5], [0.5, 2.0]], 0.5, "1se", (1, 0)),
    ],
)
def test_choose_alpha(mean, error, rule, chosen):
    mean = np.array(mean)
    assert choose_alpha(mean, np.full(mean.shape, error), rule) == chosen


def test_cv_folds_as_masks_and_negative_numbers():
    case = CV_CASES[0]
    X, y = data(case, SHAPES["tall"])
    n = len(X)
    fold = np.arange(n) % 3
    numbers = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    plain = fit(case, X, y, cv=numbers)
    close(fit(case, X, y, cv=[(fold != k, fold == k) for k in range(3)]), plain)
    close(fit(case, X, y, cv=[(train - n, test - n) for train, test in numbers]), plain)


def test_cv_repeated_and_overlapping_rows():
    """Bootstrap-like folds: a training row twice counts twice, rows of no part count nowhere."""
    case = CV_CASES[0]
    X, y = data(case, SHAPES["tall"])
    rng = np.random.default_rng(0)
    folds = [(rng.integers(0, 40, 50), np.arange(40 + k, 60)) for k in range(3)]
    model = fit(case, X, y, cv=folds)
    for k, (train, test) in enumerate(folds):
        one = Lasso(model.alphas_[5], **TIGHT).fit(X[train], y[train])
        np.testing.assert_allclose(model.mse_path_[5, k], np.mean((one.predict(X[test]) - y[test]) ** 2), rtol=1e-5)


def test_cv_grid():
    case = CV_CASES[0]
    X, y = data(case, SHAPES["tall"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert LassoCV(alphas=np.array([0.1, 1.0, 0.5])).fit(X, y).alphas_.tolist() == [1.0, 0.5, 0.1]
        constant = LassoCV().fit(X, np.ones(len(X)))
    assert constant.coef_.tolist() == [0.0] * X.shape[1]
    assert constant.intercept_ == pytest.approx(1.0)
