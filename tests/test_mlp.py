"""The networks' estimators against scikit-learn: its checks, its signatures, its attributes, its steps."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import sklearn
from cases import NETWORKS
from sklearn import neural_network
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastreg import L1, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PLAIN = [case for case in NETWORKS if not case.is_cv]
# parameters that scikit-learn does not have
MORE = {"penalty", "bias_penalty", "activity_penalty", "dropout", "clip", "weight_decay", "warmup", "class_weight"}


def checked(case):
    if case.is_cv:
        base = MLPClassifier if case.is_classifier else MLPRegressor
        return case.ours(base(max_iter=30), **case.params)
    return case.ours()


def data(case, n=60, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = X[:, 0] - 0.5 * X[:, 1] ** 2 + 0.1 * rng.standard_normal(n)
    return X, (np.digitize(y, [-0.7, 0.3]) if case.is_classifier else y)


@parametrize_with_checks([checked(case) for case in NETWORKS])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning:sklearn")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("case", NETWORKS, ids=str)
@pytest.mark.parametrize(
    "check",
    ["check_param_validation", "check_dataframe_column_names_consistency", "check_readonly_memmap_input"],
)
def test_checks_outside_the_list(case, check):
    getattr(estimator_checks, check)(case.name, checked(case))


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_signature(case):
    """The same parameters, order, kinds and defaults, so swapping the import changes nothing."""
    mine = inspect.signature(case.ours).parameters
    theirs = inspect.signature(getattr(neural_network, case.name)).parameters
    assert list(mine)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert mine[name].kind == parameter.kind
        assert mine[name].default == parameter.default
    assert set(mine) - set(theirs) <= MORE
    for method in ("fit", "partial_fit", "predict", "score", "predict_proba", "predict_log_proba"):
        if hasattr(case.ours, method):
            reference = inspect.signature(getattr(getattr(neural_network, case.name), method)).parameters
            assert list(inspect.signature(getattr(case.ours, method)).parameters)[: len(reference)] == list(reference)


SETTINGS = {
    "adam": {},
    "batches": {"batch_size": 7},
    "adam's numbers": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4, "learning_rate_init": 0.01},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2, "learning_rate_init": 0.3},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 0.05,
        "n_iter_no_change": 2,
        "learning_rate_init": 0.1,
    },
    "no shuffle": {"shuffle": False, "batch_size": 16},
    "two layers": {"hidden_layer_sizes": [6, 5], "activation": "tanh"},
    "logistic": {"activation": "logistic"},
    "identity": {"activation": "identity"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 3},
    "stops by itself": {"tol": 0.05, "n_iter_no_change": 2},
    "lbfgs": {"solver": "lbfgs", "alpha": 0.1},
}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_the_same_steps_as_scikit_learn(case, setting, weighted):
    """Without a penalty the same seed gives the same weights, epoch by epoch, as scikit-learn's."""
    X, y = data(case)
    params = {"random_state": 3, "alpha": 0.0, **case.params, **SETTINGS[setting]}
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    theirs = getattr(neural_network, case.name)(**params).fit(X, y, sample_weight=weight)
    ours = case.ours(**params).fit(X, y, sample_weight=weight)
    assert ours.n_iter_ == theirs.n_iter_
    for mine, reference in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-8)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    if ours.solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    scores = [getattr(model, "validation_scores_", None) or [] for model in (ours, theirs)]
    np.testing.assert_allclose(*scores)


@pytest.mark.parametrize("setting", ["adam", "nesterov", "invscaling", "adaptive", "batches"])
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_partial_fit_takes_the_same_steps(case, setting):
    """Call by call, after a fit or from the start: rates, velocities and counts go on."""
    X, y = data(case)
    params = {"random_state": 3, "alpha": 0.0, **case.params, **SETTINGS[setting], "max_iter": 3}
    models = case.ours(**params), getattr(neural_network, case.name)(**params)
    options = {"classes": np.unique(y)} if case.is_classifier else {}
    for model in models:
        for _ in range(12):
            model.partial_fit(X, y, **options)
    for mine, reference in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-8)
    assert models[0].t_ == models[1].t_
    for model in models:
        model.fit(X, y).partial_fit(X, y)
    for mine, reference in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["binary", "classes", "labels"])
def test_classifier_as_scikit_learn(kind):
    """Attributes and outputs, with their shapes, for every kind of target."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4))
    y = {
        "binary": np.where(X[:, 0] > 0, "yes", "no"),
        "classes": np.digitize(X[:, 0], [-0.5, 0.5]) * 10,
        "labels": (X[:, :3] > 0).astype(int),
    }[kind]
    params = {"hidden_layer_sizes": (5,), "max_iter": 10, "random_state": 0, "alpha": 0.0}
    ours, theirs = MLPClassifier(**params).fit(X, y), neural_network.MLPClassifier(**params).fit(X, y)
    assert_same_attributes(ours, theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.predict(X).dtype == theirs.predict(X).dtype
    for method in ("predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("targets", [None, 1, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_regressor_as_scikit_learn(loss, targets):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4))
    y = np.abs(X[:, 0]) if targets is None else np.abs(X[:, :targets])
    params = {"loss": loss, "hidden_layer_sizes": (5,), "max_iter": 10, "random_state": 0, "alpha": 0.0}
    ours, theirs = MLPRegressor(**params).fit(X, y), neural_network.MLPRegressor(**params).fit(X, y)
    assert_same_attributes(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


def assert_same_attributes(ours, theirs):
    for name in vars(theirs):
        if name.endswith("_") and not name.startswith("_"):
            expected, value = getattr(theirs, name), getattr(ours, name)
            assert type(value) is type(expected) or np.isscalar(value), name
            if isinstance(expected, list):
                assert [np.shape(v) for v in value] == [np.shape(v) for v in expected], name
            elif isinstance(expected, str) or name == "classes_":
                assert np.array_equal(value, expected), name


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_copies(case):
    """pickle, deepcopy and clone: the same predictions, the same refit."""
    X, y = data(case)
    fitted = checked(case).set_params(random_state=0).fit(X, y)
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), clone(fitted).fit(X, y)):
        np.testing.assert_array_equal(twin.predict(X), fitted.predict(X))
        for a, b in zip(twin.coefs_, fitted.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_weights_set_by_hand_are_used(case):
    """Predictions are those of coefs_ and intercepts_ as they are, edited in place or replaced."""
    X, y = data(case)
    fitted = case.make(random_state=0).fit(X, y)
    fitted.predict(X)
    other = copy.deepcopy(fitted)
    for W in other.coefs_:
        W *= 0.5
    fitted.coefs_ = [0.5 * W for W in fitted.coefs_]
    np.testing.assert_allclose(fitted._raw(X), other._raw(X), rtol=1e-12)
    hidden = np.maximum(X @ fitted.coefs_[0] + fitted.intercepts_[0], 0)
    np.testing.assert_allclose(fitted._raw(X), hidden @ fitted.coefs_[1] + fitted.intercepts_[1], rtol=1e-10)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_in_a_pipeline_and_a_search(case):
    X, y = data(case)
    pipeline = make_pipeline(StandardScaler(), case.make(random_state=0))
    step = pipeline.steps[-1][0]
    grid = {f"{step}__penalty": [None, "l1", L1(0.01), [L1(0.01), None]], f"{step}__alpha": [1e-3]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_sample_weight_is_routed(case):
    X, y = data(case)
    weight = np.arange(len(X)) % 3 + 0.5
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = case.make(random_state=0).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=False)
        result = cross_validate(estimator, X, y, cv=KFold(2), params={"sample_weight": weight}, return_estimator=True)
    half = np.arange(len(X) // 2, len(X))
    by_hand = case.make(random_state=0).fit(X[half], y[half], sample_weight=weight[half])
    np.testing.assert_array_equal(result["estimator"][0].coefs_[0], by_hand.coefs_[0])


def test_partial_fit_of_lbfgs_is_not_there():
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(MLPRegressor(solver="sgd"), "partial_fit")


def test_not_converged_warns_and_says_what_to_do():
    X, y = data(NETWORKS[1])
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\).*max_iter"):
        MLPRegressor(max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"after 2 iterations.*max_iter"):
        MLPRegressor(solver="lbfgs", max_iter=2).fit(X, y)
