"""Stability selection: the definition by hand, automatic grids, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from test_selection import data

from fastreg import (
    ElasticNet,
    GeneralizedLinearClassifier,
    Lasso,
    LassoCV,
    LogisticRegression,
    MultiTaskLasso,
    PoissonRegressor,
    RidgeCV,
    StabilitySelection,
    lasso_path,
)


def test_stability_by_hand():
    """Frequencies are those of refits on the rows of each half."""
    X, y = data(60, 10)
    alphas = [0.05, 0.3]
    selection = StabilitySelection(Lasso(tol=1e-9), alphas=alphas, n_subsamples=6, random_state=3).fit(X, y)
    rng = np.random.RandomState(3)
    counts = np.zeros((10, 2))
    for _ in range(3):
        order = rng.permutation(60)
        for half in (order[:30], order[30:]):
            for k, alpha in enumerate([0.3, 0.05]):
                counts[:, k] += Lasso(alpha=alpha, tol=1e-9).fit(X[half], y[half]).coef_ != 0
    np.testing.assert_allclose(selection.stability_path_, counts / 6)
    assert selection.alphas_.tolist() == [0.3, 0.05]
    np.testing.assert_array_equal(selection.get_support(), (counts / 6).max(axis=1) >= 0.6)
    assert selection.transform(X).shape == (60, selection.get_support().sum())
    again = StabilitySelection(Lasso(tol=1e-9), alphas=alphas, n_subsamples=6, random_state=3, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(again.stability_path_, selection.stability_path_)


@pytest.mark.parametrize(
    ("estimator", "strengths"),
    [
        (ElasticNet(l1_ratio=0.9), [0.3]),
        (LogisticRegression(l1_ratio=1.0), [0.02, 0.05]),
        (PoissonRegressor(l1_ratio=1.0), [0.5]),
        (MultiTaskLasso(), [0.4]),
        (LassoCV(cv=3, rule="ebic"), None),
    ],
)
def test_stability_finds_what_is_there(estimator, strengths):
    """The features in the model come out, the others don't; the bound of errors is below one; sparse = dense."""
    X, y = data(400, 30)
    X -= X.mean(axis=0)
    signal = 2 * X[:, :3] @ [1.0, -1, 1]
    y = signal + np.random.default_rng(1).standard_normal(400)
    if isinstance(estimator, LogisticRegression):
        y = np.where(y > 0, "yes", "no")
    elif isinstance(estimator, PoissonRegressor):
        y = np.random.default_rng(1).poisson(np.exp(0.3 * signal)).astype(float)
    elif isinstance(estimator, MultiTaskLasso):
        y = np.column_stack([y, -y])
    kwargs = {"alphas": strengths, "n_subsamples": 20, "threshold": 0.9, "random_state": 0}
    selection = StabilitySelection(estimator, **kwargs).fit(X, y)
    np.testing.assert_array_equal(np.flatnonzero(selection.get_support()), [0, 1, 2])
    assert selection.error_bound() < 3
    same = StabilitySelection(estimator, **kwargs).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(same.stability_path_, selection.stability_path_, atol=0.06)


def test_stability_uses_weights_and_says_what_is_wrong():
    X, y = data(60, 10)
    v = np.ones(60)
    v[30:] = 0
    absent = StabilitySelection(alphas=[0.1], random_state=0, n_subsamples=4).fit(X[:30], y[:30])
    zero = StabilitySelection(alphas=[0.1], random_state=0, n_subsamples=4).fit(X, y, v)
    np.testing.assert_array_equal(zero.stability_path_, absent.stability_path_)
    with pytest.raises(ValueError, match="neither alpha nor C"):
        StabilitySelection(RidgeCV(), alphas=[0.1]).fit(X, y)
    with pytest.raises(ValueError, match="a class has 1 sample"):
        StabilitySelection(LogisticRegression()).fit(X, np.arange(60) == 3)
    with pytest.raises(ValueError, match="non-negative"):
        StabilitySelection(alphas=[-1.0]).fit(X, y)


def test_an_automatic_grid_begins_where_the_first_feature_enters():
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    grid = StabilitySelection(Lasso(), alphas=5, eps=0.2, n_subsamples=2).fit(1e3 * X, y, weight).alphas_
    top = lasso_path(1e3 * (X - np.average(X, axis=0, weights=weight)), y - np.average(y, weights=weight),
                     alphas=1, sample_weight=weight)[0][0]  # fmt: skip
    np.testing.assert_allclose(grid, top * np.geomspace(1, 0.2, 5), rtol=2e-3)
    factor = np.r_[0.0, np.ones(11)]
    for model, target in (
        (ElasticNet(l1_ratio=0.5, penalty_factor=factor), y),
        (MultiTaskLasso(alpha=1e-6), np.column_stack([y, X[:, 4]])),
        (PoissonRegressor(l1_ratio=1.0, alpha=0.0, penalty_factor=factor), np.exp(0.3 * y)),
        (LogisticRegression(l1_ratio=1.0), y > 0),
        (GeneralizedLinearClassifier(penalty="group_l1", groups=3), np.digitize(y, [0.0])),
    ):
        selection = StabilitySelection(model, alphas=2, n_subsamples=2).fit(X, target)
        name = "C" if isinstance(model, LogisticRegression) else "alpha"
        for share, some in ((1.0, False), (0.99, True)):
            strength = selection.alphas_[0] * share if name == "alpha" else selection.alphas_[0] / share
            coef = model.set_params(**{name: strength}).fit(X, target).coef_
            charged = coef[..., 1:] if getattr(model, "penalty_factor", None) is not None else coef
            assert charged.any() == some
        assert selection.alphas_[1] == pytest.approx(selection.alphas_[0] * (0.1 if name == "alpha" else 10.0))
    with pytest.raises(ValueError, match="every feature at any C"):
        StabilitySelection(LogisticRegression(), alphas=3).fit(X, y > 0)
    with pytest.raises(ValueError, match="no feature at any alpha"):
        StabilitySelection(Lasso(), alphas=3).fit(X, 0 * y)


@pytest.mark.parametrize("stages", [{"adaptive": "own"}, {"relax": 0.0}])
def test_stability_of_staged_fits(stages):
    X, y = data(60, 10)
    kwargs = {"alphas": [0.3, 0.05], "n_subsamples": 4, "random_state": 3}
    found = StabilitySelection(Lasso(**stages, tol=1e-9), **kwargs).fit(X, y)
    alone = [StabilitySelection(Lasso(alpha=a, **stages, tol=1e-9), **kwargs | {"alphas": None}) for a in (0.3, 0.05)]
    by_hand = np.column_stack([one.fit(X, y).frequencies_ for one in alone])
    np.testing.assert_array_equal(found.stability_path_, by_hand)
    plain = StabilitySelection(Lasso(tol=1e-9), **kwargs).fit(X, y)
    assert (found.stability_path_ <= plain.stability_path_).all()
    assert "relax" in stages or (found.stability_path_ < plain.stability_path_).any()


@given(st.integers(4, 30), st.integers(1, 8), st.integers(1, 9), st.integers(0, 10**6))
def test_stability_laws(n, p, halves, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    kwargs = {"alphas": [0.4, 0.2], "n_subsamples": halves, "random_state": seed}
    selection = StabilitySelection(Lasso(tol=1e-10), **kwargs).fit(X, y)
    path, drawn = selection.stability_path_, halves + halves % 2
    np.testing.assert_allclose(path * drawn, np.round(path * drawn), atol=1e-9)
    assert path.sum(axis=0).max() <= selection.n_selected_ + 1e-9 <= path.sum() + 2e-9
    order = rng.permutation(p)
    other = StabilitySelection(Lasso(tol=1e-10), **kwargs).fit(X[:, order], y, np.full(n, 3.0))
    np.testing.assert_array_equal(other.stability_path_, path[order])
    loose, strict = (selection.set_params(threshold=t).get_support() for t in (0.3, 0.9))
    assert not (strict & ~loose).any()
    assert selection.set_params(threshold=0.5).error_bound() == np.inf
    assert selection.set_params(threshold=1.0).error_bound() == pytest.approx(selection.n_selected_**2 / p)
