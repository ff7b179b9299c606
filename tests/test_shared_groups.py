"""GroupL1 over several targets or classes: a feature serves all or none; laws and references."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp, softmax
from sklearn import linear_model
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from fastreg import SLOPE, GeneralizedLinearClassifier, GeneralizedLinearRegressor, GroupL1
from fastreg.penalties.groups import FeatureGroups
from fastreg.solvers import multinomial_groups, multinomial_rows
from fastreg.solvers.multinomial_groups import GroupedMultinomial
from fastreg.solvers.multinomial_newton import joint_step

TIGHT = {"tol": 1e-10, "max_iter": 300}
P, K = 12, 4


def targets(n=80):
    rng = np.random.default_rng(0)
    X = np.round(2 * rng.standard_normal((n, P)), 2) + 1
    Y = X[:, :3] @ rng.standard_normal((3, K)) + rng.standard_normal((n, K)) + np.arange(K)
    return X, Y


def classes(n=120):
    X, Y = targets(n)
    return X, np.array(["a", "b", "c", "d"])[(Y + 2 * np.random.default_rng(1).standard_normal(Y.shape)).argmax(axis=1)]


def same(a, b, tol=1e-6):
    np.testing.assert_allclose(a.coef_, b.coef_, atol=tol)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=10 * tol)


def stationary(v, coef, alpha, labels=None, share=0.0, tol=1e-6):
    """Whether v (K, p), minus the loss's slopes, is a subgradient of the penalty on each group, in plain NumPy."""
    labels = np.arange(v.shape[1]) if labels is None else labels
    for label in np.unique(labels):
        w, g = coef[:, labels == label], v[:, labels == label]
        l1, t = alpha * share, alpha * (1 - share) * np.sqrt(w.size)
        if w.any():
            g = g - t * w / np.linalg.norm(w)
            wrong = np.where(w == 0, np.maximum(np.abs(g) - l1, 0), np.abs(g - l1 * np.sign(w))).max()
        else:
            wrong = max(np.linalg.norm(np.maximum(np.abs(g) - l1, 0)) - t, 0)
        assert wrong < tol


def regressor(**options):
    return GeneralizedLinearRegressor("squared", GroupL1(0.15), **{**TIGHT, **options})


def classifier(alpha=0.02, **options):
    penalty = GroupL1(alpha, l1_ratio=options.pop("share", 0.0))
    return GeneralizedLinearClassifier("logistic", penalty, **{**TIGHT, **options})


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_targets(fit_intercept):
    """scikit-learn's MultiTaskLasso at alpha times the root of the number of targets; stationary, and no gap."""
    X, Y = targets()
    model = regressor(fit_intercept=fit_intercept).fit(X, Y)
    theirs = linear_model.MultiTaskLasso(
        0.15 * np.sqrt(K), fit_intercept=fit_intercept, tol=1e-12, max_iter=100_000
    ).fit(X, Y)
    same(model, theirs)
    assert model.score(X, Y) == pytest.approx(theirs.score(X, Y), abs=1e-6)
    assert model.converged_
    residual = Y - model.predict(X)
    stationary(residual.T @ X / len(Y), model.coef_, 0.15)
    zero = model.coef_ == 0
    assert (zero.all(axis=0) == zero.any(axis=0)).all()
    assert zero.any() == fit_intercept  # without one every feature serves to make up for it


@pytest.mark.parametrize("extras", ["plain", "no intercept", "weights", "standardize", "sparse groups", "groups"])
@pytest.mark.parametrize("alpha", [0.03, 0.003])
def test_classes(extras, alpha):
    """Stationary with a free intercept, and the objective is no more than the gap above any other point's."""
    X, y = classes()
    weight = np.random.default_rng(0).integers(0, 3, len(y)) if extras == "weights" else np.ones(len(y))
    share = 0.3 if extras == "sparse groups" else 0.0
    labels = np.arange(P) % 5 if extras == "groups" else np.arange(P)
    model = classifier(
        alpha,
        share=share,
        fit_intercept=extras != "no intercept",
        standardize=extras == "standardize",
        groups=labels if extras == "groups" else None,
    ).fit(X, y, weight)
    assert model.converged_
    s = weight / weight.sum()
    U = s[:, None] * ((y[:, None] == model.classes_) - model.predict_proba(X))
    if extras != "no intercept":
        assert np.abs(U.sum(axis=0)).max() < 1e-9
    scale = np.sqrt(s @ (X - s @ X) ** 2) if extras == "standardize" else np.ones(P)
    coef = model.coef_ * scale
    stationary(U.T @ X / scale, coef, alpha, labels, share)
    if share == 0:  # the norm keeps what the loss does not see at its mean
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-8)


def test_the_gap_bounds_the_error():
    X, y = classes()
    best = classifier().fit(X, y)

    def objective(model):
        raw = X @ model.coef_.T + model.intercept_
        right = raw[np.arange(len(y)), np.searchsorted(model.classes_, y)]
        norms = np.linalg.norm(model.coef_, axis=0)
        return np.mean(logsumexp(raw, axis=1) - right) + 0.02 * np.sqrt(K) * norms.sum()

    assert best.dual_gap_ <= 1e-10 * np.log(K)
    for steps in (1, 2, 3):
        loose = classifier(tol=1e-12, max_iter=steps)
        with pytest.warns(ConvergenceWarning):
            loose.fit(X, y)
        assert -1e-12 <= objective(loose) - objective(best) <= loose.dual_gap_ + 1e-12


@pytest.mark.parametrize("extras", ["plain", "sparse", "no intercept", "weights", "sparse groups", "groups", "bounds"])
def test_steps_by_feature_or_on_all_classes(extras, monkeypatch):
    """Both kinds end at the same point; a set too large for the second takes the first to the end."""
    X, y = classes()
    options = {"share": 0.3 if extras == "sparse groups" else 0.0, "fit_intercept": extras != "no intercept"}
    if extras in ("groups", "bounds"):
        options["groups"] = np.arange(P) % 5
    if extras == "bounds":
        options.update(lower=-0.05, upper=0.2)
    weight = np.random.default_rng(0).integers(0, 3, len(y)) if extras == "weights" else None
    A = sparse.csc_array(np.where(np.abs(X) > 1.5, X, 0)) if extras == "sparse" else X
    fits = []
    with monkeypatch.context() as patch:
        patch.setattr(GroupedMultinomial, "fits", lambda state: False)
        fits.append(classifier(0.01, **options).fit(A, y, weight))
    monkeypatch.setattr(
        multinomial_groups, "rows_step", lambda state, alpha, goal: (joint_step(state, alpha, 0.1 * goal), False)
    )
    fits.append(classifier(0.01, **options).fit(A, y, weight))
    assert fits[0].converged_
    assert fits[1].converged_
    assert fits[0].coef_.any()
    same(*fits, 1e-5)


def test_slow_sweeps_end_by_steps_on_all_classes(monkeypatch):
    """Features that are nearly equal: models that sweeps don't solve are left to Newton's steps."""
    X, y = classes()
    rng = np.random.default_rng(3)
    X = np.hstack([X, X + 1e-3 * rng.standard_normal(X.shape)])
    best = classifier(0.003).fit(X, y)
    assert best.converged_
    monkeypatch.setattr(GroupedMultinomial, "stiff", True)
    assert classifier(0.003).fit(X, y).converged_
    monkeypatch.setattr(multinomial_rows, "ROUNDS", 1)
    again = classifier(0.003).fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), best.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("make", [regressor, classifier])
def test_weights_storages_and_factors(make):
    """A weight is that many rows; sparse = dense = float32 nearly; a factor of 0 frees a feature; warm starts."""
    X, y = targets() if make is regressor else classes()
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    same(make().fit(X, y, weight), make().fit(X[rows], y[rows]))
    plain = make().fit(X, y)
    same(make().fit(sparse.csc_array(X), y), plain)
    same(make().fit(np.asfortranarray(X), y), plain)
    low = make(tol=1e-7).fit(X.astype(np.float32), y)
    assert low.coef_.dtype == low.intercept_.dtype == np.float32
    same(low, plain, 1e-4)
    freed = make(penalty_factor=1.0 * (np.arange(P) != 7)).fit(X, y)
    wrong = y - freed.predict(X) if make is regressor else (y[:, None] == freed.classes_) - freed.predict_proba(X)
    assert np.abs(wrong.T @ X[:, 7]).max() < 1e-5 * len(y)
    assert freed.converged_
    again = make(warm_start=True).fit(X, y)
    first = again.n_iter_
    same(again.fit(X, y), plain)
    assert again.n_iter_ <= first


def test_many_features():
    """Working sets on more features than rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 300))
    y = (X[:, :6] @ rng.standard_normal((6, 3)) + 0.5 * rng.standard_normal((90, 3))).argmax(axis=1)
    model = classifier(0.03, tol=1e-9).fit(X, y)
    U = (y[:, None] == model.classes_) - softmax(X @ model.coef_.T + model.intercept_, axis=1)
    stationary(U.T @ X / 90, model.coef_, 0.03, tol=1e-5)
    assert model.coef_.any()
    assert not model.coef_.any(axis=0).all()


def test_two_classes_are_one_column():
    X, y = load_iris(return_X_y=True)
    two = classifier(groups=1).fit(X[:100], y[:100])
    assert two.coef_.shape == (1, 4)


def test_across():
    """A group's norm runs over all classes, and is charged for all of its coefficients."""
    groups = FeatureGroups(np.array([0, 1, 0]), 0.3, np.array([1.0, 2.0, 1.0]))
    W, free = np.arange(1.0, 7.0).reshape(2, 3), np.array([9.0])
    size = [np.linalg.norm(W[:, [0, 2]]) * 2, np.linalg.norm(W[:, 1]) * np.sqrt(2)]
    expected = 0.3 * (W[:, [0, 2]].sum() + 2 * W[:, 1].sum()) + 0.7 * (size[0] + 2 * size[1])
    assert groups.across(2, 1).value(np.concatenate([W.ravel(), free]), 1.0) == pytest.approx(expected)


def test_what_is_refused():
    X, Y = targets()
    with pytest.raises(ValueError, match="group is a feature"):
        regressor(groups=2).fit(X, Y)
    with pytest.raises(ValueError, match="group is a feature"):
        GeneralizedLinearRegressor("squared", GroupL1(0.1, l1_ratio=0.5)).fit(X, Y)
    with pytest.raises(ValueError, match="offset is for one target"):
        regressor().fit(X, Y, offset=Y[:, 0])
    with pytest.raises(ValueError, match="1d array"):
        GeneralizedLinearRegressor("squared", SLOPE(0.1)).fit(X, Y)
    with pytest.raises(ValueError, match="needs groups"):
        regressor().fit(X, Y[:, 0])
