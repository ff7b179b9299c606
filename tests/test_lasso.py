"""The laws of the path estimators, each on every row of the table, and agreement with scikit-learn."""

import warnings

import numpy as np
import pytest
from cases import PATH_ESTIMATORS
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import InvalidParameterError

import fastreg
from fastreg import ElasticNet, Lasso, LassoCV, MultiTaskElasticNet, enet_path, lasso_path
from fastreg.model_selection import choose_alpha

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


def fit(case, X, y, sample_weight=None, **params):
    return case.ours(**{**case.params, **tight(case), **params}).fit(X, y, sample_weight=sample_weight)


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


# ---------------------------------------------------------------------------------------------------------
# optimality


@every_shape
@every_estimator
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_kkt(case, shape, fit_intercept, weighted):
    """Stationarity, computed here from X, y and the coefficients alone."""
    X, y = data(case, shape)
    weight = np.random.default_rng(1).uniform(0, 2, len(X)) if weighted else np.ones(len(X))
    factor = np.linspace(0.5, 1.5, X.shape[1])
    model = fit(case, X, y, weight if weighted else None, fit_intercept=fit_intercept, penalty_factor=factor)
    l1, l2 = penalties(case, X.shape[1], model)
    share = weight / weight.sum()
    residual = (y.T - np.atleast_2d(model.coef_) @ X.T) - np.atleast_1d(model.intercept_)[:, None]
    if fit_intercept:
        np.testing.assert_allclose(residual @ share, 0, atol=1e-9)
    coef = np.atleast_2d(model.coef_).T
    gradient = X.T @ (share * residual).T - l2[:, None] * coef
    norm = np.linalg.norm(coef, axis=1)
    assert (norm > 0).any()
    zero = norm == 0
    assert (np.linalg.norm(gradient[zero], axis=1) <= l1[zero] * (1 + slack(case))).all()
    subgradient = l1[~zero, None] * coef[~zero] / norm[~zero, None]
    np.testing.assert_allclose(gradient[~zero], subgradient, atol=10 * slack(case))


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_gap_certifies(case, shape):
    """The optimum is no further below than dual_gap_, and dual_gap_ is what tol promises."""
    X, y = data(case, shape)
    centred = y - y.mean(axis=0)
    null = 0.5 * (centred**2).sum() / len(X)

    def objective(model):
        l1, l2 = penalties(case, X.shape[1], model)
        norm = np.linalg.norm(np.atleast_2d(model.coef_), axis=0)
        residual = y - model.predict(X)
        return 0.5 * (residual**2).sum() / len(X) + l1 @ norm + 0.5 * l2 @ norm**2

    best = objective(fit(case, X, y))
    for tol in (1e-1, 1e-3, 1e-6):
        model = fit(case, X, y, tol=tol)
        assert objective(model) - best <= model.dual_gap_ + 1e-12 * null
        assert model.dual_gap_ <= tol * null * (1 + 1e-9)
        assert model.converged_


@every_shape
@every_estimator
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn(case, shape, weighted):
    X, y = data(case, shape)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(X)) if weighted else None
    theirs = case.theirs(**{**case.params, "tol": 1e-10, "max_iter": 100_000}).fit(X, y, sample_weight=weight)
    ours = fit(case, X, y, weight)
    close(ours, theirs, tol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-3)


@every_shape
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"])
def test_positive_is_lower_0(name, shape):
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, shape)
    theirs = case.theirs(**case.params, positive=True, tol=1e-10, max_iter=100_000).fit(X, y)
    positive = fit(case, X, y, positive=True)
    assert (positive.coef_ >= 0).all()
    close(positive, theirs, tol=1e-4)
    close(fit(case, X, y, lower=0), positive)


@every_shape
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "LassoCV", "ElasticNetCV"])
@pytest.mark.parametrize("standardize", [False, True])
def test_bounds(name, shape, standardize):
    """Bounds hold in the units of X; the projected gradient vanishes."""
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, shape)
    p = X.shape[1]
    lower, upper = np.full(p, -0.3), np.full(p, 0.4)
    upper[1] = lower[2] = 0
    model = fit(case, X, y, lower=lower, upper=upper, standardize=standardize)
    assert (model.coef_ >= lower - 1e-12).all()
    assert (model.coef_ <= upper + 1e-12).all()
    assert model.coef_[0] == pytest.approx(0.4)
    l1, l2 = penalties(case, p, model)
    scale = X.std(axis=0) if standardize else np.ones(p)
    gradient = X.T @ (y - model.predict(X)) / len(X)
    step = model.coef_ + gradient - l2 * scale**2 * model.coef_
    moved = np.clip(np.sign(step) * np.maximum(np.abs(step) - l1 * scale, 0), lower, upper)
    np.testing.assert_allclose(moved, model.coef_, atol=2e-5)


# ---------------------------------------------------------------------------------------------------------
# weights


@every_shape
@every_estimator
def test_weight_is_repetition(case, shape):
    X, y = data(case, shape)
    weight = np.random.default_rng(2).integers(0, 4, len(X))
    X_long, y_long = np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0)
    long, short = {}, {}
    if case.is_cv:
        # both copies of a row in the same fold
        rows, fold = np.arange(len(X)), np.arange(len(X)) % 3
        long_fold = np.repeat(fold, weight)
        short["cv"] = [(rows[fold != k], rows[fold == k]) for k in range(3)]
        rows = np.arange(len(X_long))
        long["cv"] = [(rows[long_fold != k], rows[long_fold == k]) for k in range(3)]
    close(fit(case, X, y, weight, **short), fit(case, X_long, y_long, **long))


@every_shape
@every_estimator
def test_only_proportions_of_weights_matter(case, shape):
    X, y = data(case, shape)
    weight = np.random.default_rng(2).uniform(0, 3, len(X))
    close(fit(case, X, y, weight), fit(case, X, y, 1e-9 * weight))
    close(fit(case, X, y, np.full(len(X), 7)), fit(case, X, y))
    close(fit(case, X, y, 7.0), fit(case, X, y))


# ---------------------------------------------------------------------------------------------------------
# storage


def strided(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def shuffled_rows(X):
    """CSC whose row numbers are not sorted."""
    X = sparse.csc_array(X)
    for j in range(X.shape[1]):
        part = slice(X.indptr[j], X.indptr[j + 1])
        X.indices[part], X.data[part] = X.indices[part][::-1].copy(), X.data[part][::-1].copy()
    return sparse.csc_array((X.data, X.indices, X.indptr), shape=X.shape)


def with_duplicates(X):
    """CSC in which every entry is stored as two halves."""
    X = sparse.csc_array(X)
    return sparse.csc_array((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), X.indptr * 2), shape=X.shape)


def long_indices(X):
    X = sparse.csc_array(X)
    return sparse.csc_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape)


STORAGES = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "big-endian": lambda X: X.astype(">f8"),
    "object": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "csc": sparse.csc_array,
    "csc matrix": sparse.csc_matrix,
    "csr": sparse.csr_array,
    "coo": sparse.coo_array,
    "int64 indices": long_indices,
    "unsorted": shuffled_rows,
    "duplicates": with_duplicates,
}


@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
@every_shape
@every_estimator
def test_storage_makes_no_difference(case, shape, storage):
    X, y = data(case, shape)
    X[np.abs(X) < 0.8] = 0
    weight = np.random.default_rng(2).uniform(0, 3, len(X))
    stored = storage(X)
    before = stored.copy() if hasattr(stored, "copy") else None
    model = fit(case, stored, y, weight)
    close(model, fit(case, X, y, weight))
    np.testing.assert_allclose(model.predict(stored), model.predict(X), atol=1e-9)
    if sparse.issparse(stored):
        np.testing.assert_array_equal(stored.data, before.data)
        np.testing.assert_array_equal(stored.toarray(), before.toarray())


@every_estimator
def test_memory_mapped(case, tmp_path):
    X, y = data(case, SHAPES["tall"])
    np.save(tmp_path / "X.npy", X)
    close(fit(case, np.load(tmp_path / "X.npy", mmap_mode="r"), y), fit(case, X, y))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, bool, np.float16, np.float32])
@every_estimator
def test_dtypes(case, dtype):
    X, y = data(case, SHAPES["tall"])
    X = np.abs(np.round(2 * X)).astype(dtype)
    exact = fit(case, X.astype(np.float64), y)
    for stored in (X, sparse.csc_array(X.astype(np.float32) if dtype == np.float16 else X)):
        model = fit(case, stored, y)
        close(model, exact, tol=5 * slack(case))
        assert model.coef_.dtype == (np.float32 if stored.dtype == np.float32 else np.float64)


@pytest.mark.parametrize("frame", ["pandas", "polars"])
@every_estimator
def test_data_frames(case, frame):
    library = pytest.importorskip(frame)
    X, y = data(case, SHAPES["tall"])
    columns = {f"x{j}": X[:, j] for j in range(X.shape[1])}
    model = fit(case, library.DataFrame(columns), y)
    close(model, fit(case, X, y))
    assert model.feature_names_in_.tolist() == list(columns)


# ---------------------------------------------------------------------------------------------------------
# invariances


@every_shape
@every_estimator
@pytest.mark.parametrize("make", [np.asarray, sparse.csc_array])
def test_shift_changes_only_the_intercept(case, shape, make):
    X, y = data(case, shape)
    shift = np.linspace(-100, 100, X.shape[1])
    plain, shifted = fit(case, make(X), y), fit(case, make(X + shift), y + 1000)
    np.testing.assert_allclose(shifted.coef_, plain.coef_, atol=5 * slack(case))
    np.testing.assert_allclose(
        shifted.intercept_, plain.intercept_ + 1000 - plain.coef_ @ shift, rtol=5 * slack(case)
    )


@every_shape
@every_estimator
@pytest.mark.parametrize("weighted", [False, True])
def test_standardize_is_scaling_by_hand(case, shape, weighted):
    X, y = data(case, shape)
    params, weight = {}, None
    if case.is_cv:  # folds scale by their own training rows, so one fold and its complement say little
        params = {"alphas": [0.1]}
    if weighted:
        weight = np.random.default_rng(2).uniform(0, 3, len(X))
    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight))
    scale[3] = 1.0
    model = fit(case, X, y, weight, standardize=True, **params)
    by_hand = fit(case, X / scale, y, weight, **params)
    if case.is_cv and getattr(model, "l1_ratio_", 1) != getattr(by_hand, "l1_ratio_", 1):
        pytest.skip("the folds' own scales chose another l1_ratio")
    np.testing.assert_allclose(model.coef_, by_hand.coef_ / scale, atol=5 * slack(case))


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if "Lasso" in case.name], ids=str)
def test_penalty_factor_is_a_change_of_units(case, shape):
    """For the L1 penalty a factor of f on a feature is a factor of 1 on the feature divided by f."""
    X, y = data(case, shape)
    factor = np.linspace(0.5, 2, X.shape[1])
    scaled = fit(case, X / factor, y)
    model = fit(case, X, y, penalty_factor=factor)
    np.testing.assert_allclose(model.coef_ * factor, scaled.coef_, atol=5 * slack(case))


@every_estimator
def test_penalty_factor_0_is_no_penalty(case):
    """Under a huge alpha only the unpenalised features stay, at their least-squares values."""
    X, y = data(case, SHAPES["tall"])
    factor = np.ones(X.shape[1])
    factor[:2] = 0
    params = {"alphas": [1e6]} if case.is_cv else {"alpha": 1e6}
    model = fit(case, X, y, penalty_factor=factor, **params)
    least_squares = np.linalg.lstsq(np.column_stack([X[:, :2], np.ones(len(X))]), y, rcond=None)[0]
    np.testing.assert_allclose(
        np.atleast_2d(model.coef_)[:, :2], np.atleast_2d(least_squares[:2].T), rtol=1e-5
    )
    assert np.abs(np.atleast_2d(model.coef_)[:, 2:]).max() < 1e-5
    if case.is_cv:  # the automatic grid starts where only they are left
        model = fit(case, X, y, penalty_factor=factor)
        assert np.isfinite(model.mse_path_).all()


@every_shape
@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_alpha_0_is_least_squares(case, shape):
    X, y = data(case, shape)
    model = case.ours(**{**case.params, "alpha": 0, "max_iter": 100_000}).fit(X, y)
    design = np.column_stack([X, np.ones(len(X))])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    best, null = np.sum(residual**2), np.sum((y - y.mean(axis=0)) ** 2)
    assert np.sum((y - model.predict(X)) ** 2) <= best + 1e-3 * null


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_huge_alpha_is_the_mean(case):
    X, y = data(case, SHAPES["tall"])
    for alpha in (1e10, 1e300):
        model = case.ours(**{**case.params, "alpha": alpha}).fit(X, y)
        np.testing.assert_allclose(model.coef_, 0, atol=1e-8)
        np.testing.assert_allclose(model.intercept_, y.mean(axis=0))
        assert model.converged_


@pytest.mark.parametrize("case", [case for case in PATH_ESTIMATORS if not case.is_cv], ids=str)
def test_warm_start(case):
    X, y = data(case, SHAPES["wide"])
    cold = fit(case, X, y, alpha=0.05)
    warm = fit(case, X, y, alpha=0.06, warm_start=True)
    warm.alpha = 0.05
    close(warm.fit(X, y), cold)
    assert np.all(warm.fit(X, y).n_iter_ <= np.asarray(cold.n_iter_))
    # other shapes start afresh
    warm.fit(X[:, :7], y)
    close(warm, fit(case, X[:, :7], y, alpha=0.05))


def test_warm_start_outside_new_bounds():
    case = PATH_ESTIMATORS[0]
    X, y = data(case, SHAPES["tall"])
    model = fit(case, X, y, warm_start=True).set_params(upper=0.25)
    close(model.fit(X, y), fit(case, X, y, upper=0.25))
    assert model.coef_.max() <= 0.25


@pytest.mark.parametrize("name", ["Lasso", "ElasticNet"])
def test_targets_one_by_one(name):
    case = next(case for case in PATH_ESTIMATORS if case.name == name)
    X, y = data(case, SHAPES["tall"])
    Y = np.column_stack([y, -2 * y, X[:, 0]])
    model = fit(case, X, Y)
    for t in range(3):
        single = fit(case, X, Y[:, t])
        np.testing.assert_allclose(model.coef_[t], single.coef_, atol=1e-6)
        np.testing.assert_allclose(model.intercept_[t], single.intercept_, atol=1e-5)
    assert len(model.n_iter_) == len(model.converged_) == 3


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
        np.testing.assert_allclose(
            model.mse_path_[5, k], np.mean((one.predict(X[test]) - y[test]) ** 2), rtol=1e-5
        )


def test_cv_grid():
    case = CV_CASES[0]
    X, y = data(case, SHAPES["tall"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert LassoCV(alphas=np.array([0.1, 1.0, 0.5])).fit(X, y).alphas_.tolist() == [1.0, 0.5, 0.1]
        constant = LassoCV().fit(X, np.ones(len(X)))
    assert constant.coef_.tolist() == [0.0] * X.shape[1]
    assert constant.intercept_ == pytest.approx(1.0)
