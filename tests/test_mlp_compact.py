"""Small networks from big ones, reports on weights, paths from dense to sparse, the choice of alpha."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from fastreg import L1, GroupL1, MLPClassifier, MLPClassifierCV, MLPRegressor, MLPRegressorCV, mlp_path
from fastreg.model_selection import choose_alpha
from fastreg.networks import compact

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n=70, p=9, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X[:, 0] - X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(n)


def pruned_by_hand(dtype=np.float64, sizes=(9, 40, 30, 20), activation="relu", density=0.1, seed=0):
    """A fitted regressor with few weights left, some neurons without incoming and some without outgoing ones."""
    X, y = data()
    model = MLPRegressor(hidden_layer_sizes=sizes[1:], activation=activation, max_iter=1, random_state=seed)
    model.fit(X.astype(dtype), y)
    rng = np.random.default_rng(seed)
    for W, b in zip(model.coefs_, model.intercepts_):
        W *= rng.random(W.shape) < density
        W[:, rng.random(W.shape[1]) < 0.1] = 0
        b += rng.standard_normal(b.shape)
    model.coefs_[0][2:4] = 0
    return model


ACTIVATIONS = ["relu", "tanh", "gelu", "softplus", ["identity", "logistic", "elu"]]


@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_compact_is_dense(activation, dtype, density, threads):
    """Equal predictions but for rounding, whatever is left, for any number of rows and any storage of X."""
    model = pruned_by_hand(dtype, activation=activation, density=density)
    small = model.compact()
    rng = np.random.default_rng(1)
    for n in (1, 5, 129, 1000):
        X = rng.standard_normal((n, 9)).astype(dtype)
        expected = model.predict(X)
        tolerance = (2e-5 if dtype is np.float32 else 1e-12) * (1 + np.abs(expected).max())
        for stored in (X, np.asfortranarray(X), sparse.csr_array(X), X.astype(np.float64)):
            found = small.predict(stored)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("cost", [0.0, np.inf], ids=["panels", "dense"])
def test_both_ways_of_prediction(cost, monkeypatch):
    """Panels that skip zeros, and dense products of the layers that are left."""
    monkeypatch.setattr(compact, "PANEL_COST", cost)
    for density in (0.1, 0.6):
        model = pruned_by_hand(density=density)
        X = np.random.default_rng(0).standard_normal((300, 9))
        small = model.compact()
        np.testing.assert_allclose(small.predict(X), model.predict(X), rtol=1e-12, atol=1e-12)
        assert small._network().panels == (cost == 0)


def test_what_compact_leaves_out():
    model = pruned_by_hand(sizes=(9, 300, 300), density=0.05)
    small = model.compact()
    weights = [W.toarray() if sparse.issparse(W) else W for W in small.coefs_]
    for before, after in zip(weights[:-1], weights[1:]):
        assert before.any(axis=0).all(), "a neuron without incoming weights"
        assert after.any(axis=1).all(), "a neuron without outgoing weights"
    assert weights[0].any(axis=1).all()
    assert not np.isin([2, 3], small.used_features_).any()
    assert small.hidden_layer_sizes == tuple(W.shape[1] for W in weights[:-1])
    assert small.n_zeros_ == sum(np.count_nonzero(W == 0) for W in weights)
    assert any(sparse.issparse(W) for W in small.coefs_)
    big, little = model.size(), small.size()
    assert little["parameters"] < big["parameters"]
    assert little["bytes"] < big["bytes"] == 8 * big["parameters"]
    assert big["parameters"] == sum(w.size for w in model.coefs_ + model.intercepts_)


def test_a_compact_network_is_an_estimator():
    """It is copied, saved, scored and made compact again as any other; training it on is refused."""
    X, y = data()
    params = {"hidden_layer_sizes": (30, 20), "max_iter": 300, "learning_rate_init": 0.02, "random_state": 0}
    model = MLPClassifier(**params, penalty=GroupL1(0.003)).fit(X, y > 0)
    small = model.compact()
    assert small.size()["parameters"] < model.size()["parameters"] / 2
    for twin in (small, pickle.loads(pickle.dumps(small)), copy.deepcopy(small), small.compact()):
        np.testing.assert_allclose(twin.predict_proba(X), model.predict_proba(X), atol=1e-12)
        assert twin.score(X, y > 0) == model.score(X, y > 0)
        assert twin.n_features_in_ == 9
    with pytest.raises(ValueError, match="compact"):
        small.partial_fit(X, y > 0)
    again = small.fit(X, y > 0)
    assert not hasattr(again, "used_features_")
    assert again.coefs_[0].shape[0] == 9


def test_report():
    model = pruned_by_hand()
    model.coefs_[1][:, 0] = 0
    X = data()[0]
    report = model.weight_report(X, noise=1e-6)
    for k, W in enumerate(model.coefs_):
        assert report["l1"][k] == pytest.approx(np.abs(W).sum())
        assert report["l2"][k] == pytest.approx(np.sqrt((W**2).sum()))
        assert report["spectral"][k] == pytest.approx(np.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]))
        assert report["zeros"][k] + np.count_nonzero(W) == report["weights"][k] == W.size
    assert (report["dead_neurons"][:-1] > 0).all()
    # of a linear network the change is known: noise of a column's deviation times its slope
    linear = MLPRegressor(hidden_layer_sizes=(), max_iter=1, random_state=0).fit(X, X[:, 0])
    wide = np.tile(X, (300, 1))
    expected = np.linalg.norm(linear.coefs_[0][:, 0] * X.std(axis=0))
    assert linear.weight_report(wide)["sensitivity"] == pytest.approx(expected, rel=0.03)
    assert "sensitivity" not in linear.weight_report()
    with pytest.raises(ValueError, match="noise"):
        linear.weight_report(X, noise=0)


# ------------------------------------------------------------------------------------------------------------
# paths


@pytest.mark.parametrize("penalty", ["l1", L1(1.0), [L1(1.0), None]], ids=repr)
def test_path_is_warm_starts_by_hand(penalty):
    X, y = data()
    base = MLPRegressor(hidden_layer_sizes=(10,), penalty=penalty, max_iter=60, learning_rate_init=0.02, random_state=0)
    alphas = [1e-4, 1e-2, 1e-1]
    path = mlp_path(base, X[:50], y[:50], alphas=alphas[::-1], X_val=X[50:], y_val=y[50:])
    np.testing.assert_array_equal(path.alphas, alphas)
    assert not hasattr(base, "coefs_")
    assert [str(p) for p in path.penalties] == [
        str("l1" if penalty == "l1" else L1(a) if isinstance(penalty, L1) else [L1(a), None]) for a in alphas
    ]
    model = MLPRegressor(**{**base.get_params(), "warm_start": True})
    for k, alpha in enumerate(alphas):
        model.set_params(alpha=alpha, penalty=path.penalties[k]).fit(X[:50], y[:50])
        for W, mine in zip(model.coefs_, path.coefs[k], strict=True):
            np.testing.assert_array_equal(mine, W)
        assert path.scores[k] == model.score(X[:50], y[:50])
        assert path.validation_scores[k] == model.score(X[50:], y[50:])
        assert path.n_non_zeros[k].sum() == sum(np.count_nonzero(W) for W in model.coefs_)
        np.testing.assert_allclose(path.norms[k], [np.linalg.norm(W) for W in model.coefs_])
        np.testing.assert_array_equal(path.estimators[k].predict(X), model.predict(X))
    assert path.n_non_zeros[0].sum() > path.n_non_zeros[-1].sum()


def test_path_of_penalties():
    X, y = data()
    base = MLPRegressor(hidden_layer_sizes=(10,), max_iter=30, random_state=0)
    path = mlp_path(base, X, y, penalties=[None, GroupL1(0.01), L1(0.1)])
    assert path.alphas is None
    assert path.penalties == [None, GroupL1(0.01), L1(0.1)]
    assert len(path.estimators) == len(path.intercepts) == 3
    with pytest.raises(ValueError, match="not both"):
        mlp_path(base, X, y, alphas=[1.0], penalties=[None])
    with pytest.raises(ValueError, match="y_val"):
        mlp_path(base, X, y, penalties=[None], X_val=X)
    with pytest.raises(ValueError, match="at least one"):
        mlp_path(base, X, y, penalties=[])
    with pytest.raises(ValueError, match="alphas"):
        mlp_path(base, X, y, alphas=[-1.0])


# ------------------------------------------------------------------------------------------------------------
# the choice of alpha

CASES = {
    "regressor": (MLPRegressorCV, MLPRegressor, lambda y: y),
    "classifier": (MLPClassifierCV, MLPClassifier, lambda y: y > 0),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("rule", ["min", "1se"])
@pytest.mark.parametrize("case", CASES)
def test_cross_validation_is_the_loop_by_hand(case, rule, weighted):
    chooser, single, target = CASES[case]
    X, y = data()
    y = target(y)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y)) if weighted else None
    params = {"hidden_layer_sizes": (6,), "solver": "lbfgs", "max_iter": 100, "random_state": 0, "penalty": "l1"}
    folds = [(np.flatnonzero(np.arange(70) % 3 != k), np.flatnonzero(np.arange(70) % 3 == k)) for k in range(3)]
    chosen = chooser(single(**params), cv=folds, rule=rule, n_jobs=2).fit(X, y, weight)

    def score(alpha, fold):
        train, test = fold
        parts = (None, None) if weight is None else (weight[train], weight[test])
        return single(**params, alpha=alpha).fit(X[train], y[train], parts[0]).score(X[test], y[test], parts[1])

    coarse = np.geomspace(1e-1, 1e-6, 6)
    best = np.argmax([np.mean([score(a, fold) for fold in folds]) for a in coarse])
    fine = np.geomspace(coarse[max(best - 1, 0)], coarse[min(best + 1, 5)], 7)[1:-1]
    grid = np.array(sorted([*coarse, *[a for a in fine if not np.isclose(a, coarse, rtol=1e-6).any()]], reverse=True))
    np.testing.assert_allclose(chosen.alphas_, grid, rtol=1e-12)
    scores = np.array([[score(a, fold) for fold in folds] for a in chosen.alphas_])
    np.testing.assert_allclose(chosen.cv_results_["scores"], scores, rtol=1e-9)
    se = scores.std(axis=1, ddof=1) / np.sqrt(3)
    _, at = choose_alpha(-scores.mean(axis=1)[None], se[None], rule)
    assert chosen.alpha_ == chosen.alphas_[at]
    final = single(**params, alpha=chosen.alpha_).fit(X, y, weight)
    np.testing.assert_allclose(chosen.coefs_[0], final.coefs_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(chosen.predict(X), chosen.estimator_.predict(X))


def test_choice_of_a_multiple():
    """Where the penalty is an object, alphas multiply it."""
    X, y = data()
    base = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=50, random_state=0, penalty=GroupL1(2.0))
    chosen = MLPRegressorCV(base, alphas=[0.1, 0.01], refine=0, cv=2).fit(X, y)
    assert chosen.estimator_.penalty == GroupL1(2.0 * chosen.alpha_)
    assert chosen.alphas_.tolist() == [0.1, 0.01]
    assert chosen.compact().predict(X) == pytest.approx(chosen.predict(X))
    assert chosen.size() == chosen.estimator_.size()
    assert chosen.weight_report(X)["sensitivity"] > 0


def test_names_of_columns_go_through():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcdefghi"))
    base = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=50, random_state=0, penalty="l1")
    chosen = MLPRegressorCV(base, alphas=2, refine=0, cv=2).fit(frame, y)
    assert chosen.feature_names_in_.tolist() == list("abcdefghi")
    np.testing.assert_array_equal(chosen.predict(frame), chosen.estimator_.predict(X))
    model = base.fit(frame, y)
    np.testing.assert_allclose(model.compact().predict(frame), model.predict(frame), rtol=1e-9)


def test_threads_change_nothing():
    X, y = data()
    base = MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0, penalty="l1")
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fits.append(MLPRegressorCV(base, alphas=3, refine=2, cv=2, n_jobs=threads).fit(X, y))
    np.testing.assert_array_equal(fits[0].cv_results_["scores"], fits[1].cv_results_["scores"])
