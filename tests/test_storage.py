"""How X is stored makes no difference."""

import tracemalloc

import numpy as np
import pytest
from laws import SHAPES, close, data, every_estimator, every_shape, fit, slack
from scipy import sparse

from fastreg import Lasso, PoissonRegressor, Ridge


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


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("standardize", [False, True])
def test_x_is_never_copied_whole(standardize, dtype, order):
    """What a fit allocates beside X is vectors and a panel."""
    rng = np.random.default_rng(0)
    X = np.array(rng.integers(-100, 100, (150_000, 32)), dtype=dtype, order=order)
    y = X[:, 0] + rng.standard_normal(len(X))
    model = Lasso(0.1, standardize=standardize).fit(X[:100], y[:100])
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.4 * 8 * X.size


def test_a_row_of_coordinates_is_predicted():
    """SciPy's product of a COO row with a vector is a number."""
    X, y = np.eye(3), np.array([1.0, 2.0, 4.0])
    for model in (Ridge(), PoissonRegressor()):
        model.fit(X, y)
        np.testing.assert_allclose(model.predict(sparse.coo_array(X[:1])), model.predict(X[:1]))
