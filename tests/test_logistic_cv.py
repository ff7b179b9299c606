"""LogisticRegressionCV against scikit-learn and against the loop by hand."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn import linear_model
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from fastreg import LogisticRegression, LogisticRegressionCV
from fastreg.model_selection import choose_score

TIGHT = {"tol": 1e-10, "max_iter": 1000}
NEW = {"use_legacy_attributes": False, **TIGHT}


def data(classes, seed=0):
    X, y = load_iris(return_X_y=True)
    X, y = (X[50:], y[50:]) if classes == 2 else (X, y)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    rng = np.random.default_rng(seed)
    return X + 0.5 * rng.standard_normal(X.shape), np.array(["a", "b", "c"])[y]


both = pytest.mark.parametrize("classes", [2, 3])


@both
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc_ovr", "neg_brier_score"])
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
def test_against_scikit_learn(classes, scoring, refit, legacy):
    X, y = data(classes)
    weight = np.random.default_rng(1).integers(1, 4, len(y))
    kwargs = {"Cs": [3.0, 0.01, 0.3], "scoring": scoring, "refit": refit, "use_legacy_attributes": legacy}
    kwargs |= {"l1_ratios": (0.0,), "class_weight": "balanced"}
    ours = LogisticRegressionCV(**kwargs, **TIGHT).fit(X, y, weight)
    theirs = linear_model.LogisticRegressionCV(**kwargs, solver="newton-cholesky", tol=1e-9).fit(X, y, weight)
    for name in ("C_", "l1_ratio_", "Cs_", "l1_ratios_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name))
    for name in ("coef_", "intercept_", "coefs_paths_", "scores_"):
        mine, reference = getattr(ours, name), getattr(theirs, name)
        if isinstance(reference, dict):
            assert list(mine) == list(reference)
            mine, reference = np.array(list(mine.values())), np.array(list(reference.values()))
        np.testing.assert_allclose(mine, reference, atol=1e-4)
    assert ours.n_iter_.shape == theirs.n_iter_.shape
    if scoring != "neg_brier_score":  # whose scorer wants a positive label
        assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-4)


@both
@pytest.mark.parametrize("standardize", [False, True])
def test_the_loop_by_hand(classes, standardize):
    """Every fold's fit is the one on its training rows, its score that of its test rows."""
    X, y = data(classes)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))
    kwargs = {
        "standardize": standardize,
        "penalty_factor": [0 if classes == 2 else 0.5, 1, 2, 1],
        "upper": 0.7,
        **TIGHT,
    }
    folds = list(StratifiedKFold(3).split(X, y))
    Cs, ratios = [0.3, 3.0], [0.5, 1.0]
    fitted = LogisticRegressionCV(
        Cs=Cs, l1_ratios=ratios, cv=folds, scoring="neg_log_loss", use_legacy_attributes=False, **kwargs
    ).fit(X, y, weight)
    for k, (train, test) in enumerate(folds):
        for i, l1_ratio in enumerate(ratios):
            for j, C in enumerate(Cs):
                one = LogisticRegression(C=C, l1_ratio=l1_ratio, **kwargs).fit(X[train], y[train], weight[train])
                found = fitted.coefs_paths_[k, i, j]
                np.testing.assert_allclose(found[:, :-1], one.coef_, atol=1e-4)
                score = -log_loss(y[test], one.predict_proba(X[test]), sample_weight=weight[test], labels=one.classes_)
                assert fitted.scores_[k, i, j] == pytest.approx(score, abs=1e-5)
    best = LogisticRegression(C=fitted.C_, l1_ratio=fitted.l1_ratio_, **kwargs).fit(X, y, weight)
    np.testing.assert_allclose(fitted.coef_, best.coef_, atol=1e-5)
    assert fitted.dual_gap_ <= 1e-9
    assert fitted.scores_.mean(axis=0).max() == pytest.approx(
        fitted.scores_.mean(axis=0)[ratios.index(fitted.l1_ratio_), Cs.index(fitted.C_)]
    )


@both
def test_weight_2_is_the_row_twice_in_its_fold(classes):
    X, y = data(classes)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    folds = list(StratifiedKFold(3).split(X, y))
    twice = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds]
    kwargs = {"Cs": 3, "l1_ratios": [0.7], "scoring": "neg_log_loss", "class_weight": "balanced", **NEW}
    a = LogisticRegressionCV(**kwargs, cv=folds).fit(X, y, weight)
    b = LogisticRegressionCV(**kwargs, cv=twice).fit(X[rows], y[rows])
    np.testing.assert_allclose(a.scores_, b.scores_, atol=1e-6)
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-5)


@both
def test_storages(classes):
    X, y = data(classes)
    X[np.abs(X) < 0.4] = 0
    kwargs = {"Cs": 3, "l1_ratios": [1.0], **NEW}
    for scoring in ("neg_log_loss", "neg_brier_score"):
        dense = LogisticRegressionCV(**kwargs, scoring=scoring).fit(X, y)
        for Z in (np.asfortranarray(X), sparse.csc_array(X), sparse.csr_matrix(X)):
            other = LogisticRegressionCV(**kwargs, scoring=scoring).fit(Z, y)
            np.testing.assert_allclose(other.scores_, dense.scores_, atol=1e-6)
            np.testing.assert_allclose(other.coef_, dense.coef_, atol=1e-5)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
@both
def test_quick_scores_are_the_scorers(classes, scoring):
    """What is read off the raw predictions is what scikit-learn's scorer says of the model."""
    X, y = data(classes)
    scorer = sklearn.metrics.get_scorer(scoring)
    kwargs = {"Cs": 4, "l1_ratios": [1.0], **NEW}
    quick = LogisticRegressionCV(scoring=scoring, **kwargs).fit(X, y)
    slow = LogisticRegressionCV(scoring=lambda *args: scorer(*args), **kwargs).fit(X, y)
    np.testing.assert_allclose(quick.scores_, slow.scores_, atol=1e-9)


def test_a_class_that_a_fold_lacks():
    """Classes are those of all rows; a fold without one predicts it (nearly) never."""
    X, y = data(3)
    y = np.where(np.arange(len(y)) < 3, "z", y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = LogisticRegressionCV(cv=KFold(5), l1_ratios=[0.0], scoring="neg_log_loss", **NEW).fit(X, y)
    assert fitted.coefs_paths_.shape == (5, 1, 10, 4, 5)
    assert np.isfinite(fitted.scores_).all()
    one = LogisticRegressionCV(cv=KFold(2), Cs=2, **NEW).fit(X[:100], y[:100] == "a")  # folds of one class
    assert np.isfinite(one.scores_).all()


def test_one_standard_error():
    X, y = data(2)
    kwargs = {"Cs": 20, "l1_ratios": [1.0], "scoring": "neg_log_loss", **NEW}
    least = LogisticRegressionCV(**kwargs).fit(X, y)
    careful = LogisticRegressionCV(**kwargs, rule="1se").fit(X, y)
    scores = least.scores_[:, 0]
    best = scores.mean(axis=0).argmax()
    limit = scores.mean(axis=0)[best] - scores[:, best].std(ddof=1) / np.sqrt(5)
    assert careful.C_ == least.Cs_[scores.mean(axis=0) >= limit].min() < least.C_
    with pytest.raises(ValueError, match="refit=True"):
        LogisticRegressionCV(**kwargs, rule="1se", refit=False).fit(X, y)
    assert choose_score(np.array([[[np.nan], [-1.0]]]), np.array([1.0, 2.0]), "1se") == (1, 0)


def test_offset_moves_the_intercept():
    X, y = data(2)
    kwargs = {"Cs": 4, "l1_ratios": [0.0], "scoring": "neg_log_loss", **NEW}
    plain = LogisticRegressionCV(**kwargs).fit(X, y)
    moved = LogisticRegressionCV(**kwargs).fit(X, y, offset=np.full(len(y), 2.0))
    np.testing.assert_allclose(moved.scores_, plain.scores_, atol=1e-7)
    np.testing.assert_allclose(moved.intercept_ + 2, plain.intercept_, atol=1e-5)
    with pytest.raises(ValueError, match="offset needs scoring"):
        LogisticRegressionCV(**{**kwargs, "scoring": "roc_auc"}).fit(X, y, offset=np.zeros(len(y)))


def test_routing():
    X, y = data(2)
    groups, weight = np.arange(len(y)) % 4, np.arange(len(y)) % 3 + 1.0
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(log_loss, response_method="predict_proba", greater_is_better=False)
        scorer.set_score_request(sample_weight=True)
        routed = LogisticRegressionCV(cv=GroupKFold(4), scoring=scorer, Cs=3, l1_ratios=[0.0], **NEW)
        routed.set_fit_request(sample_weight=True).fit(X, y, sample_weight=weight, groups=groups)
        routed.score(X, y, sample_weight=weight)
    folds = list(GroupKFold(4).split(X, y, groups))
    by_hand = LogisticRegressionCV(cv=folds, scoring="neg_log_loss", Cs=3, l1_ratios=[0.0], **NEW).fit(X, y, weight)
    np.testing.assert_allclose(routed.scores_, by_hand.scores_, atol=1e-9)


def test_bad_input_and_old_arguments():
    X, y = data(2)
    for kwargs, match in (
        ({"Cs": [0.0, 1.0]}, "Cs must be"),
        ({"Cs": []}, "Cs must be"),
        ({"l1_ratios": [1.5]}, "l1_ratios must be"),
        ({"l1_ratios": ["a"]}, "l1_ratios must be"),
    ):
        with pytest.raises(ValueError, match=match):
            LogisticRegressionCV(**kwargs).fit(X, y)
    with pytest.raises(ValueError, match="one class only"):
        LogisticRegressionCV().fit(X, np.zeros(len(y)))
    with pytest.warns(FutureWarning, match="'penalty' is deprecated"):
        old = LogisticRegressionCV(penalty="l1", Cs=3, **NEW).fit(X, y)
    assert old.l1_ratio_ == 1
    with pytest.warns(FutureWarning, match="l1_ratios=None"):
        assert LogisticRegressionCV(l1_ratios=None, Cs=3).fit(X, y).l1_ratio_[0] == 0
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="needs l1_ratios"):
        LogisticRegressionCV(penalty="elasticnet").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="tol=1e-13"), pytest.warns(ConvergenceWarning, match="of 15 fits of f"):
        LogisticRegressionCV(Cs=3, max_iter=1, tol=1e-13).fit(X, y)
