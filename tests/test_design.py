"""Every verb of Design against its plain twin, for every way X may be stored and at every instruction-set level."""

import os
import tempfile

import numpy as np
import pytest
from levels import lower_levels, passes_at_level
from reference import PlainDesign
from scipy import sparse

from fastreg.design import Design


def strided(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def padded(X, order):
    """Columns (or rows) further apart than they are long."""
    n, p = X.shape
    wide = np.full((n + 5, p) if order == "F" else (n, p + 5), np.nan, order=order)
    wide[:n, :p] = X
    return wide[:n, :p]


def unaligned(X):
    raw = np.empty(X.nbytes + 1, dtype=np.uint8)[1:]
    raw[:] = np.frombuffer(np.ascontiguousarray(X).tobytes(), dtype=np.uint8)
    return raw.view(np.float64).reshape(X.shape)


def memory_mapped(X):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype=np.float64, shape=X.shape)
    mapped[:] = X
    return mapped


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def whole(X, kind, order):
    return np.clip(np.round(X), 0 if "u" in kind else -99, 99).astype(kind, order=order)


def compressed(X, values=np.float64, index=np.int32):
    X = sparse.csc_array(np.asarray(X).astype(values))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)  # the constructor narrows them
    return X


STORAGES = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "C float32": lambda X: X.astype(np.float32, order="C"),
    "F float32": lambda X: X.astype(np.float32, order="F"),
    "C padded": lambda X: padded(X, "C"),
    "F padded": lambda X: padded(X, "F"),
    "strided": strided,
    "strided F": lambda X: strided(X.T).T,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "unaligned": unaligned,
    "big-endian": lambda X: X.astype(">f8"),
    "read-only": read_only,
    "memory-mapped": memory_mapped,
    **{
        f"{order} {np.dtype(kind).name}": lambda X, kind=kind, order=order: whole(X, kind, order)
        for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "f2", "g")
        for order in "CF"
    },
    "csc": compressed,
    "csc float32": lambda X: compressed(X, np.float32),
    "csc int64 indices": lambda X: compressed(X, index=np.int64),
    "csc float32 int64 indices": lambda X: compressed(X, np.float32, np.int64),
    "csc int16": lambda X: compressed(np.clip(np.round(X), -99, 99), np.int16),
    "csc bool": lambda X: compressed(X, bool),
    "csc matrix": lambda X: sparse.csc_matrix(X),
}
if "FASTREG_SIMD" in os.environ:  # the others are converted to these, or differ in how a number is loaded
    few = ("C", "F", "C float32", "F float32", "F padded", "csc", "C int8", "F int64", "strided")
    STORAGES = {name: STORAGES[name] for name in few}
SHAPES = [(37, 13), (5, 40), (1, 3), (6, 1), (1, 1), (1100, 5), (70, 70)]
OPTIONS = [
    {"fit_intercept": intercept, "standardize": standardize}
    for intercept in (True, False)
    for standardize in (True, False)
]


def table(n, p, seed=0):
    """Half zeros, means and scales of their own; a constant and an empty column where there is room."""
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, p)) + rng.uniform(-2, 2, p)) * rng.choice([1.0, 5.0, 30.0], p)
    X[rng.random((n, p)) < 0.5] = 0
    if p >= 3:
        X[:, 1], X[:, 2] = 3.0, 0.0
    return X


def weights(n):
    weight = np.random.default_rng(1).uniform(0.5, 2, n)
    weight[1::3] = 0
    return 1e3 * weight


def same(actual, expected, size, tol=1e-12):
    """Equal to rounding, in units of what the sums are made of."""
    assert actual.shape == expected.shape
    assert actual.dtype == np.float64
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.nan_to_num(np.abs(actual - expected) / (size + np.abs(expected)))
    assert error.max(initial=0) <= tol


def check_verbs(X, weight, tol=1e-12, **options):
    design, plain = Design(X, weight, **options), PlainDesign(X, weight, **options)
    n, p = plain.n, plain.p
    rng = np.random.default_rng(2)
    y, Y = rng.standard_normal(n) + 7, rng.standard_normal((n, 11)) + 7
    # sparse columns are centred after the sum, so rounding is that of x, not of x - mean
    size = np.sqrt(plain.sq_norms)
    if sparse.issparse(X):
        size = size + np.abs(plain.mean) / plain.scale

    centred, mean, cross = design.bind(y)  # makes the pass over X
    centred_again, mean_again, cross_again = design.bind(y)  # has it behind
    expected = plain.bind(y)
    for part, again, want in zip((centred, mean), (centred_again, mean_again), expected):
        np.testing.assert_allclose(part, want, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(part, again)
    spread = np.sqrt(plain.weights @ centred**2)
    same(cross, expected[2], size * spread, tol)
    same(cross_again, expected[2], size * spread, tol)

    assert design.total_weight == pytest.approx(plain.total_weight, rel=1e-14)
    same(design.weights, plain.weights, 0)
    same(design.mean, plain.mean, size, 1e-13)
    same(design.scale, plain.scale, 0, tol)
    same(design.sq_norms, plain.sq_norms, 0, tol)
    assert (design.sq_norms[plain.sq_norms == 0] == 0).all()

    for R in (Y[:, 0], Y[:, :1], Y):
        R, means = design.center(R)
        np.testing.assert_allclose(means, plain.center(Y)[1] if R.shape == Y.shape else means, rtol=1e-13)
        spread = np.sqrt(plain.weights @ R**2)
        same(design.xt_r(R), plain.xt_r(R), np.multiply.outer(size, spread), tol)
        for cols in (np.arange(p)[::-2].copy(), np.arange(0)):
            same(design.xt_r(R, cols), plain.xt_r(R)[cols], np.multiply.outer(size[cols], spread), tol)

    reach = np.abs(plain.tilde).max(axis=0, initial=0) + np.abs(plain.mean) / plain.scale
    seen = plain.weights > 0  # columns may be constant but for rows of weight 0, where X̃ doesn't matter
    some = rng.permutation(p)[: (p + 1) // 2]
    order = rng.permutation(p)
    for cols in (None, some, order, np.append(order, 0)):
        for k in (None, 3):
            W = rng.standard_normal((p if cols is None else len(cols), *[k] * bool(k)))
            wide = reach if cols is None else reach[cols]
            same(design.xw(W, cols)[seen], plain.xw(W, cols)[seen], (wide @ np.abs(W))[None], tol)

    rows = rng.permutation(n)[: (n + 1) // 2]
    rows = np.append(rows, rows[0])
    for cols, other in ((None, None), (some, None), (some, order), (None, some), (order, None)):
        for part in (None, rows):
            left = size if cols is None else size[cols]
            right = left if other is None else size[other]
            if part is not None:  # some rows may be all there is of the column
                left, right = left + reach.max(), right + reach.max()
            G = design.gram(cols, other, part)
            same(G, plain.gram(cols, other, part), np.outer(left, right), tol)
            assert G.flags.c_contiguous
    for first in {0, p // 3, p - 1}:
        buffer = np.full((p + 1, p + 2), np.nan)
        G, want = buffer[:p, :p], plain.gram(order)
        G[:first, :first] = want[:first, :first]
        design.grow_gram(G, order, first)
        same(G, want, np.outer(size[order], size[order]), tol)
        assert np.isnan(buffer[p:]).all()
        assert np.isnan(buffer[:, p:]).all()

    length = np.sqrt(plain.weights) * np.linalg.norm(reach)
    for col_weights in (None, rng.uniform(0, 2, p)) if n < 100 else ():
        same(design.row_gram(col_weights), plain.row_gram(col_weights), 2 * np.outer(length, length), tol)
        if not sparse.issparse(X):
            rough = np.tril(design.row_gram(col_weights, rough=True))
            same(rough.astype(np.float64), np.tril(plain.row_gram(col_weights)), 2 * np.outer(length, length), 1e-6)
        V = rng.standard_normal((X.shape[0], 11))
        bound = 2 * np.outer(length, np.abs(V).T @ length)
        same(design.row_gram_times(V, col_weights), plain.row_gram(col_weights) @ V, bound, tol)

    for step in (None, (n + 2) // 3):
        stops = [0]
        for start, stop, block in design.panels(step):
            assert start == stops[-1]
            stops.append(stop)
            same(block[seen[start:stop]], plain.tilde[start:stop][seen[start:stop]], reach, tol)
            block[:] = np.nan  # the caller's own
        assert stops[-1] == n

    coef, intercept = design.unscale(Y[:p].T if p <= n else np.ones(p), 3.0)
    expected = plain.unscale(Y[:p].T if p <= n else np.ones(p), 3.0)
    np.testing.assert_allclose(coef, expected[0], rtol=1e-12)
    np.testing.assert_allclose(intercept, expected[1], rtol=1e-9, atol=1e-9)
    values, W = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64), rng.standard_normal((3, p))
    for w, b in ((W[0], 2.0), (W, np.arange(3.0))):
        same(design.raw(w, b), values @ w.T + b, 10 + np.abs(values) @ np.abs(w.T), tol)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("storage", STORAGES.values(), ids=STORAGES)
def test_verbs(storage, shape):
    X = storage(table(*shape))
    before = X.copy()
    for options, weighted in zip(OPTIONS, (True, False, False, True)):
        check_verbs(X, weights(shape[0]) if weighted else None, **options)
    if sparse.issparse(X):
        np.testing.assert_array_equal(X.data, before.data)
    else:
        np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("storage", ["C", "F", "F padded", "strided", "csc"])
def test_columns_far_from_0(storage, weighted):
    """Means of 1e8 standard deviations: dense columns lose nothing, as they are centred before they are multiplied."""
    n, p = 700, 6
    X = np.random.default_rng(0).standard_normal((n, p)) + [1e8, -1e8, 1e4, 1, 0, 1e8]
    X[:, 5] = 1e8 + 1 / 3  # constant
    weight = weights(n) if weighted else None
    for standardize in (False, True):
        # a mean is known to a rounding of 1e8, which the products see squared, entries of X̃ once
        options = {"standardize": standardize, "fit_intercept": True}
        design, plain = Design(STORAGES[storage](X), weight, **options), PlainDesign(X, weight, **options)
        y = np.random.default_rng(1).standard_normal(n)
        np.testing.assert_allclose(design.bind(y)[2], plain.bind(y)[2], atol=1e-7 if storage == "csc" else 1e-12)
        for name in ("mean", "scale", "sq_norms"):
            np.testing.assert_allclose(getattr(design, name), getattr(plain, name), rtol=1e-11)
        assert design.sq_norms[5] == 0
        np.testing.assert_allclose(design.xw(np.ones(p)), plain.xw(np.ones(p)), atol=2e-7)
        if storage != "csc":
            np.testing.assert_allclose(design.gram(), plain.gram(), atol=1e-11)


@pytest.mark.parametrize("storage", ["C", "F", "F float32", "strided", "csc", "C int8"])
@pytest.mark.parametrize("outlier", [0.0, 90.0, 1e9])
def test_rows_of_weight_0_say_nothing(storage, outlier):
    """The first rows are where columns are first looked at: with weight 0 they must not count, whatever they hold."""
    if storage == "C int8" and outlier > 90:
        outlier = -90.0
    n = 300
    X = np.random.default_rng(0).integers(-3, 4, (n, 4)).astype(float)
    X[:, 3] = 2.0
    X[:100] = outlier
    weight, y = np.ones(n), np.random.default_rng(1).standard_normal(n)
    weight[:100] = 0
    for options in OPTIONS:
        design = Design(STORAGES[storage](X), weight, **options)
        plain = PlainDesign(X[100:], None, **options)
        cross = design.bind(y)[2]
        for name in ("mean", "scale", "sq_norms"):
            np.testing.assert_allclose(getattr(design, name), getattr(plain, name), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(cross, plain.bind(y[100:])[2], atol=1e-12)
        np.testing.assert_allclose(design.gram(), plain.gram(), atol=1e-12)


@pytest.mark.parametrize("storage", ["C", "F", "csc"])
@pytest.mark.parametrize("shape", [(5000, 40), (40, 5000)], ids=str)
def test_threads_agree(storage, shape, threads):
    """Large enough for every verb to be split over threads (the fixture runs it on one and on two)."""
    X = table(*shape)
    n, p = shape
    design, plain = Design(STORAGES[storage](X), weights(n)), PlainDesign(X, weights(n))
    r = design.center(np.random.default_rng(0).standard_normal((n, 9)))[0]
    np.testing.assert_allclose(design.xt_r(r), plain.xt_r(r), atol=1e-11)
    np.testing.assert_allclose(design.xw(np.ones((p, 2))), plain.xw(np.ones((p, 2))), rtol=1e-9, atol=1e-8)
    if n > p:
        np.testing.assert_allclose(design.gram(), plain.gram(), rtol=1e-10, atol=1e-9)
    else:
        np.testing.assert_allclose(design.row_gram(), plain.row_gram(), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [*np.typecodes["AllInteger"], "?"])
def test_extreme_integers(kind, order):
    """The least and the largest are the same numbers in float64."""
    ends = (0, 1) if kind == "?" else (np.iinfo(kind).min, np.iinfo(kind).max)
    X = np.random.default_rng(0).choice(np.array([0, *ends], dtype=kind), (50, 19)).copy(order)
    design, floats = Design(X), Design(X.astype(np.float64))
    y = np.random.default_rng(1).standard_normal(50)
    for verb in (lambda X: X.bind(y)[2], lambda X: X.xw(y[:19]), Design.gram):
        value, expected = verb(design), verb(floats)
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


@lower_levels
def test_at_lower_instruction_set_levels(limit):
    """All of the above in a process that is held to a lower level."""
    passes_at_level(limit, __file__)
