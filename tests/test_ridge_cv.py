"""RidgeCV and the classifiers: leave-one-out and folds against refits, choices against scikit-learn."""

import pickle

import numpy as np
import pytest
import reference
import sklearn
from reference import problem
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, ShuffleSplit

from fastreg import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV
from fastreg.design import Design
from fastreg.solvers.ridge import loo_ridge, solve_ridge
from fastreg.solvers.ridge_folds import cv_ridge

DESIGNS = [reference.PlainDesign, Design]
SHAPES = [(40, 7), (7, 40), (20, 20), (21, 20), (1, 3), (5, 1), (1, 1)]
GRID = np.array([1e-2, 1.0, 1e2])


# ----------------------------------------------------------------------------------------------------
# leave-one-out


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("shape", [(25, 5), (6, 25), (12, 12), (13, 12)], ids=str)
@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("free", [0, 2])
def test_leave_one_out_is_what_refits_give(design, shape, targets, fit_intercept, weighted, free):
    X, y, weight, factor = problem(*shape, targets, weighted=weighted, free=free)
    d = design(X, weight, fit_intercept=fit_intercept)
    predicted, errors = (loo_ridge(d, y, GRID, factor, keep=keep) for keep in ("predictions", "errors"))
    for k, alpha in enumerate(GRID):
        refits = reference.leave_one_out(X, y, alpha, weight, factor, fit_intercept=fit_intercept)
        terms = ((1.0 if weight is None else weight) * ((y - refits) ** 2).T).T
        np.testing.assert_allclose(predicted.values[:, :, k].reshape(y.shape), refits, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(errors.values[:, :, k].reshape(y.shape), terms, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(errors.mse[k], terms.mean(axis=0), rtol=1e-7)
        spread = terms.std(axis=0, ddof=1) / np.sqrt(len(X))
        np.testing.assert_allclose(errors.standard_error[k], spread, rtol=1e-6)
        fit, single = errors.fit(alpha), solve_ridge(d, y, alpha, factor)
        np.testing.assert_allclose(fit.coef, single.coef, rtol=1e-7, atol=1e-9)
        assert fit.converged


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (15, 15)], ids=str)
@pytest.mark.parametrize(("targets", "per_target"), [(None, False), (1, False), (1, True), (3, False), (3, True)])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error", "r2"])
def test_ridge_cv_agrees_with_scikit_learn(shape, targets, per_target, weighted, fit_intercept, scoring):
    X, y, weight, _ = problem(*shape, targets, weighted=weighted)
    if weighted:
        weight[0] = 0.5  # scikit-learn divides by it
    settings = {
        "alphas": np.geomspace(1e-3, 1e4, 9),
        "fit_intercept": fit_intercept,
        "scoring": scoring,
        "store_cv_results": True,
        "alpha_per_target": per_target,
    }
    ours = RidgeCV(**settings).fit(X, y, weight)
    theirs = linear_model.RidgeCV(**settings).fit(X, y, weight)
    np.testing.assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-12)
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-7)
    np.testing.assert_allclose(ours.cv_results_, theirs.cv_results_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-9)
    for name in ("alpha_", "best_score_", "coef_", "intercept_"):
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name)), name
    assert ours.converged_


@pytest.mark.parametrize("free", [0, 2])
@pytest.mark.parametrize("targets", [None, 3])
def test_a_long_grid_is_its_alphas_one_by_one(free, targets):
    """The long grid goes through a factorisation of low rank."""
    X, y, weight, factor = problem(80, 30, targets, weighted=True, free=free)
    alphas = np.geomspace(1e-6, 1e8, 100)
    design = Design(X * np.geomspace(1e-3, 1e3, 30), weight)
    long = loo_ridge(design, y, alphas, factor, keep="predictions")
    for k in range(0, 100, 9):
        short = loo_ridge(design, y, alphas[k : k + 1], factor, keep="predictions")
        np.testing.assert_allclose(long.values[:, :, k], short.values[:, :, 0], rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(long.mse[k], short.mse[0], rtol=1e-9)


def test_a_row_of_weight_0_is_a_row_that_is_not_there():
    X, y, weight, _ = problem(30, 5, weighted=True)
    for p in (5, 40):
        X = problem(30, p)[0]
        whole, part = (
            RidgeCV(alphas=GRID).fit(X[rows], y[rows], weight[rows]) for rows in (slice(None), slice(1, None))
        )
        assert whole.alpha_ == part.alpha_
        np.testing.assert_allclose(whole.coef_, part.coef_, rtol=1e-9)
        np.testing.assert_allclose(whole.best_score_ * 30, part.best_score_ * 29, rtol=1e-9)


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("targets", [None, 2])
def test_columns_that_say_nothing(cv, targets):
    """With nothing but constant columns the answer is the mean, at any alpha."""
    y = np.random.default_rng(0).standard_normal(9 if targets is None else (9, targets))
    fit = RidgeCV(GRID, cv=cv).fit(np.full((9, 2), 3.0), y)
    assert not fit.coef_.any()
    np.testing.assert_allclose(fit.intercept_, y.mean(axis=0))
    np.testing.assert_allclose(fit.best_score_, linear_model.RidgeCV(GRID, cv=cv).fit(np.zeros((9, 1)), y).best_score_)


def test_ridge_cv_keeps_the_precision_of_x_and_has_no_results_unless_asked():
    X, y, _, _ = problem(30, 5, 2)
    ours = RidgeCV(store_cv_results=True).fit(X.astype(np.float32), y)
    assert ours.cv_results_.dtype == ours.coef_.dtype == np.float32
    assert ours.cv_results_.shape == (30, 2, 3)
    assert RidgeCV(store_cv_results=True).fit(X, y[:, 0]).cv_results_.shape == (30, 3)
    assert not hasattr(RidgeCV().fit(X, y), "cv_results_")
    assert RidgeCV(alphas=2.0).fit(X, y).alpha_ == 2.0


@pytest.mark.parametrize("cv", [None, 4])
def test_one_standard_error_prefers_more_penalty(cv):
    X, y, _, _ = problem(60, 10, seed=3)
    settings = {"alphas": np.geomspace(1e-2, 1e4, 30), "cv": cv, "scoring": cv and "neg_mean_squared_error"}
    best, more = (RidgeCV(**settings, rule=rule).fit(X, y) for rule in ("min", "1se"))
    assert more.alpha_ > best.alpha_
    assert more.best_score_ < best.best_score_
    with pytest.raises(ValueError, match="1se"):
        RidgeCV(scoring="r2", rule="1se").fit(X, y)


# ----------------------------------------------------------------------------------------------------
# folds


@pytest.mark.parametrize("shape", [(60, 6), (20, 40), (30, 24)], ids=str)
@pytest.mark.parametrize("form", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("free", [0, 2])
def test_fold_predictions_are_what_the_loop_by_hand_gives(shape, form, weighted, fit_intercept, standardize, free):
    X, y, weight, factor = problem(*shape, 2, weighted=weighted, free=free)
    X[:-2, 3] = 1.5  # constant in most training sets
    for splitter in (KFold(4, shuffle=True, random_state=0), ShuffleSplit(2, test_size=0.3, random_state=0)):
        folds = list(splitter.split(X))
        settings = {"fit_intercept": fit_intercept, "standardize": standardize}
        predictions = cv_ridge(form(X), y, weight, folds, GRID, factor, **settings)
        for (train, test), fitted in zip(folds, predictions):
            for k, alpha in enumerate(GRID):
                single = Ridge(alpha=alpha, penalty_factor=factor, **settings)
                single.fit(X[train], y[train], None if weight is None else weight[train])
                np.testing.assert_allclose(fitted[:, k], single.predict(X[test]), rtol=1e-6, atol=1e-7)


def test_rows_that_repeat_in_a_training_set():
    X, y, weight, _ = problem(40, 4, weighted=True)
    rng = np.random.default_rng(0)
    train = rng.integers(0, 40, 40)
    test = np.setdiff1d(np.arange(40), train)
    (fitted,) = cv_ridge(X, y, weight, [(train, test)], GRID)
    single = Ridge(alpha=GRID[1]).fit(X[train], y[train], weight[train])
    np.testing.assert_allclose(fitted[:, 1], single.predict(X[test]), rtol=1e-8)


@pytest.mark.parametrize("shape", [(60, 6), (20, 40)], ids=str)
@pytest.mark.parametrize("targets", [None, 1, 3])
@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", "neg_median_absolute_error"])
@pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0)], ids=["int", "splitter"])
def test_cross_validation_agrees_with_scikit_learn(shape, targets, scoring, cv):
    X, y, weight, _ = problem(*shape, targets, weighted=True)
    settings = {"alphas": np.geomspace(1e-3, 1e4, 9), "scoring": scoring, "cv": cv}
    ours = RidgeCV(**settings).fit(X, y, weight)
    theirs = linear_model.RidgeCV(**settings).fit(X, y, weight)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-7)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-9)
    assert ours.cv_results_["mse"].shape == (9, 4 if cv != 3 else 3)
    np.testing.assert_allclose(ours.cv_results_["mean_score"].max(), ours.best_score_)


def test_scorers_that_are_functions_and_bounds_go_through_a_grid_search():
    X, y, _, _ = problem(40, 5)
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    ours = RidgeCV(scoring=scorer, cv=3).fit(X, y)
    theirs = linear_model.RidgeCV(scoring=scorer, cv=3).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="store_cv_results"):
        RidgeCV(cv=3, store_cv_results=True).fit(X, y)
    with pytest.raises(ValueError, match="alpha_per_target"):
        RidgeCV(cv=3, alpha_per_target=True).fit(X, y)
    with pytest.raises(ValueError, match="one row"):
        RidgeCV(cv=LeaveOneOut()).fit(X, y)
    bounded = RidgeCV(cv=3, lower=0).fit(X, y)
    assert bounded.coef_.min() >= 0


def test_folds_of_leave_one_out_are_leave_one_out():
    X, y, _, _ = problem(25, 5)
    quick = RidgeCV(alphas=GRID).fit(X, y)
    slow = RidgeCV(alphas=GRID, cv=LeaveOneOut(), scoring="neg_mean_squared_error").fit(X, y)
    assert quick.alpha_ == slow.alpha_
    np.testing.assert_allclose(quick.best_score_, slow.best_score_, rtol=1e-8)


def test_metadata_routing():
    X, y, weight, _ = problem(30, 4, weighted=True)
    groups = np.arange(30) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        for kind, target in ((RidgeCV, y), (RidgeClassifierCV, y > y.mean())):
            ours, theirs = (
                cls(alphas=GRID, cv=GroupKFold(3))
                .set_fit_request(sample_weight=True)
                .fit(X, target, sample_weight=weight, groups=groups)
                for cls in (kind, getattr(linear_model, kind.__name__))
            )
            assert ours.alpha_ == theirs.alpha_
            np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-9)
        plain = RidgeCV(alphas=GRID).fit(X, y, sample_weight=weight)
        weight[0] = 0.5
        scorer = get_scorer("r2").set_score_request(sample_weight=True)
        scored = RidgeCV(alphas=GRID, scoring=scorer).fit(X, y, sample_weight=weight)
        theirs = linear_model.RidgeCV(alphas=GRID, scoring=scorer).fit(X, y, sample_weight=weight)
        assert scored.alpha_ == theirs.alpha_
        assert plain.alpha_ in GRID


# ----------------------------------------------------------------------------------------------------
# classifiers


def labels(kind):
    X, y = load_iris(return_X_y=True)
    if kind == "binary":
        X, y = load_breast_cancer(return_X_y=True)
        return X, np.array(["ill", "well"])[y]
    if kind == "multilabel":
        return X, np.column_stack([y == 0, y >= 1, y == 2]).astype(int)
    return X, y


@pytest.mark.parametrize(
    ("kind", "class_weight"),
    [("multilabel", None)]  # class weights of several outputs multiply: not compared
    + [(kind, class_weight) for kind in ("binary", "multiclass") for class_weight in (None, "balanced", "dict")],
)
@pytest.mark.parametrize("weighted", [True, False])
def test_classifiers_agree_with_scikit_learn(kind, class_weight, weighted):
    X, y = labels(kind)
    if class_weight == "dict":
        class_weight = {label: 1.0 + k for k, label in enumerate(np.unique(y))}
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X)) if weighted else None
    ours = RidgeClassifier(alpha=0.5, class_weight=class_weight).fit(X, y, weight)
    theirs = linear_model.RidgeClassifier(alpha=0.5, class_weight=class_weight, solver="svd").fit(X, y, weight)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-6, atol=1e-8)
    assert ours.coef_.shape == theirs.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    for cv in (None, 3):
        settings = {"alphas": GRID, "class_weight": class_weight, "cv": cv}
        search = RidgeClassifierCV(**settings).fit(X, y, weight)
        their_search = linear_model.RidgeClassifierCV(**settings).fit(X, y, weight)
        assert search.alpha_ == their_search.alpha_
        np.testing.assert_allclose(search.best_score_, their_search.best_score_, rtol=1e-7)
        np.testing.assert_array_equal(search.predict(X), their_search.predict(X))
        np.testing.assert_allclose(search.coef_, their_search.coef_, rtol=1e-5, atol=1e-8)


def test_leave_one_out_scorers_of_classifiers_see_labels():
    X, y = labels("multiclass")
    settings = {"alphas": GRID, "scoring": "accuracy", "store_cv_results": True}
    ours = RidgeClassifierCV(**settings).fit(X, y)
    theirs = linear_model.RidgeClassifierCV(**settings).fit(X, y)
    assert ours.alpha_ == theirs.alpha_
    assert ours.best_score_ == pytest.approx(theirs.best_score_)
    np.testing.assert_allclose(ours.cv_results_, theirs.cv_results_, rtol=1e-6, atol=1e-8)
    X, y = labels("binary")
    for scoring in ("accuracy", "roc_auc"):
        ours = RidgeClassifierCV(alphas=GRID, scoring=scoring).fit(X[:60], y[:60])
        truth = np.empty(60)
        for i in range(60):
            keep = np.arange(60) != i
            truth[i] = RidgeClassifier(ours.alpha_).fit(X[:60][keep], y[:60][keep]).decision_function(X[i : i + 1])[0]
        if scoring == "accuracy":
            assert ours.best_score_ == pytest.approx(np.mean((truth > 0) == (y[:60] == "well")))
        assert 0.5 < ours.best_score_ <= 1.0
    X, y = labels("multilabel")
    assert 0.5 < RidgeClassifierCV(scoring="accuracy").fit(X, y).best_score_ < 1.0


def test_round_trips():
    X, y = load_diabetes(return_X_y=True)
    for model, target in (
        (Ridge(0.1), y),
        (RidgeCV(GRID), y),
        (RidgeCV(GRID, cv=3), y),
        (RidgeClassifier(), y > 150),
        (RidgeClassifierCV(), y > 150),
    ):
        fitted = clone(model).fit(X, target)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(fitted.predict(X), again.predict(X))
        assert not any(name.startswith("_labels") for name in vars(fitted))


def test_more_features_without_a_penalty_than_rows():
    """No row can be left out; folds are fitted by the least of the solutions, as `Ridge` fits them."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 20)), rng.standard_normal(6)
    factor = np.r_[np.zeros(8), np.ones(12)]
    X[1:, 8] = 0
    for these in (factor, np.where(np.arange(20) == 8, 0.0, 1.0)):
        with pytest.raises(ValueError, match="can't be left out"):
            RidgeCV(penalty_factor=these).fit(X, y)
    model = RidgeCV(penalty_factor=factor, cv=3, alphas=[0.5, 5.0]).fit(X, y)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for j, alpha in enumerate([0.5, 5.0]):
            one = Ridge(alpha=alpha, penalty_factor=factor).fit(X[train], y[train])
            assert model.cv_results_["mse"][j, k] == pytest.approx(np.mean((y[test] - one.predict(X[test])) ** 2))
