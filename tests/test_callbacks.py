"""scikit-learn's callbacks: on networks a task for each epoch or iteration, and a way to stop; one on logistic fits."""

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from fastreg import (
    L1,
    MCP,
    LogisticRegression,
    LogisticRegressionCV,
    MLPClassifier,
    MLPClassifierCV,
    MLPRegressor,
    MLPRegressorCV,
)

X, y = load_iris(return_X_y=True)
X = X - X.mean(axis=0)


class Watch:
    """Notes what it is told; asks to stop after so many rounds."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after, self.told, self.models, self.open = stop_after, [], [], 0
        self.set_up = self.torn_down = 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.open += 1

    def on_fit_task_end(self, estimator, context, *, X, metadata, fitted_estimator):
        self.open -= 1
        self.told.append((context.task_name, None if X is None else len(X), metadata))
        if context.task_name in ("epoch", "iteration") and X is not None:
            self.models.append(fitted_estimator)
            return len(self.models) == self.stop_after
        return False


WAYS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd"},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, L1": {"solver": "lbfgs", "penalty": L1(0.01)},
    "proximal gradient": {"solver": "lbfgs", "penalty": MCP(0.01)},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_round_is_told_with_the_model_as_it_is(way):
    watch = Watch()
    weight = np.linspace(0.5, 1, len(y))
    model = MLPClassifier((4,), max_iter=7, random_state=0, **way)
    plain = model.fit(X, y, weight).coefs_
    model.set_callbacks(watch).fit(X, y, weight)
    assert watch.open == 0
    assert watch.set_up == watch.torn_down == 1
    name = "iteration" if way["solver"] == "lbfgs" else "epoch"
    assert watch.told[-1][0] == "fit"
    assert watch.told[0][:2] == (name, len(y))
    np.testing.assert_array_equal(watch.told[0][2]["sample_weight"], weight)
    assert len(watch.models) == model.n_iter_ == 7
    # callbacks change nothing, and what they are shown is not changed afterwards
    for w, ours in zip(model.coefs_, plain):
        np.testing.assert_array_equal(w, ours)
    scores = [shown.score(X, y) for shown in watch.models]
    np.testing.assert_array_equal(watch.models[-1].coefs_[0], model.coefs_[0])
    assert np.abs(watch.models[0].coefs_[0] - model.coefs_[0]).max() > 0
    assert scores[-1] == model.score(X, y)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_callback_can_stop(way):
    watch = Watch(stop_after=3)
    model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, **way).set_callbacks(watch).fit(X, y)
    assert model.n_iter_ == 3
    assert watch.open == 0
    np.testing.assert_array_equal(model.coefs_[0], watch.models[-1].coefs_[0])


def test_partial_fit_is_one_epoch():
    watch = Watch()
    model = MLPRegressor(hidden_layer_sizes=(3,), random_state=0).set_callbacks(watch)
    model.partial_fit(X, y).partial_fit(X, y)
    assert [name for name, *_ in watch.told] == ["epoch", "fit"] * 2


def test_torn_down_after_an_error():
    watch = Watch()
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        MLPRegressor(solver="sgd", learning_rate_init=1e20, random_state=0).set_callbacks(watch).fit(X, y)
    assert watch.torn_down == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_cross_validation_passes_them_on():
    watch = Watch()
    base = MLPRegressor(hidden_layer_sizes=(3,), penalty="l1", max_iter=2, random_state=0)
    model = MLPRegressorCV(base, alphas=[0.1, 0.01], refine=1, cv=3).set_callbacks(watch).fit(X, y)
    fits = 3 * len(model.alphas_) + 1
    assert len(watch.models) == 2 * fits
    assert sum(name == "fit" for name, *_ in watch.told) == fits + 1
    assert watch.open == 0
    assert not hasattr(model.estimator_, "_skl_callbacks")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_own(capsys):
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier((4,), max_iter=20, random_state=0, learning_rate_init=0.01).set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 20
    assert rows[-1]["accuracy"] == model.score(X, y) > rows[0]["accuracy"]
    GridSearchCV(MLPClassifier((4,), max_iter=2), {"alpha": [0.1, 1.0]}, cv=2).set_callbacks(
        ProgressBar(max_propagation_depth=2)
    ).fit(X, y)
    base = MLPClassifier((4,), penalty="l1", max_iter=2)
    MLPClassifierCV(base, alphas=2, refine=0, cv=2).set_callbacks(ProgressBar()).fit(X, y)
    assert "MLPClassifierCV" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegressionCV(Cs=3, l1_ratios=(0.0,), scoring="accuracy", use_legacy_attributes=False),
        LogisticRegressionCV(Cs=3, l1_ratios=(0.0,), scoring="accuracy", use_legacy_attributes=False, rule="bic"),
    ],
    ids=["fit", "folds", "criterion"],
)
def test_logistic_fits_are_one_task(model):
    watch = Watch()
    plain = model.fit(X, y).coef_
    np.testing.assert_array_equal(model.set_callbacks(watch).fit(X, y).coef_, plain)
    assert [name for name, *_ in watch.told] == ["fit"]
    assert watch.open == 0
    assert watch.set_up == watch.torn_down == 1
