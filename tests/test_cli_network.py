"""`fastreg fit --model mlp`: what is fitted, saved, shown and predicted."""

import numpy as np
import pandas as pd
import pytest
from command_line import failure, run
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_diabetes
from sklearn.model_selection import KFold

from fastreg import MLPRegressor
from fastreg.cli import models, network
from fastreg.cli.pipeline import Choices


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The diabetes data in the current directory."""
    monkeypatch.chdir(tmp_path)
    load_diabetes(as_frame=True).frame.iloc[:150].to_csv("diabetes.csv", index=False)
    return tmp_path


ARGS = ("--target", "target", "--model", "mlp", "--hidden", "12,5", "--cv", "3")


def test_fit_is_the_network_by_hand(here):
    said = run("fit", "diabetes.csv", *ARGS, "--alpha", "0.01", "--out", "m.skops").output
    run("predict", "m.skops", "diabetes.csv", "--out", "p.csv")
    data = pd.read_csv("diabetes.csv")
    X, y = data.drop(columns="target").to_numpy(), data["target"].to_numpy()
    Z, z = X / X.std(axis=0), (y - y.mean()) / y.std()
    settings = network.settings_of(Choices("mlp", hidden=(12, 5))) | {"alpha": 0.01}
    by_hand = MLPRegressor(**settings).fit(Z, z)
    np.testing.assert_allclose(pd.read_csv("p.csv")["prediction"], by_hand.predict(Z) * y.std() + y.mean(), rtol=1e-6)
    total = sum(W.size for W in by_hand.coefs_)
    assert f"{total - by_hand.n_zeros_} of {total} weights" in said
    assert "10-12-5-1" in said
    # the error that is printed is that of the folds, in units of the target
    errors = []
    for train, test in KFold(3, shuffle=True, random_state=0).split(y):
        model = MLPRegressor(**settings).fit(Z[train], z[train])
        errors.append(y.var() * np.mean((model.predict(Z[test]) - z[test]) ** 2))
    saved = models.load("m.skops")["summary"]
    assert saved.cv_error == pytest.approx(np.mean(errors), rel=1e-6)
    assert saved.cv_se == pytest.approx(np.std(errors, ddof=1) / np.sqrt(3), rel=1e-6)


def test_inspect_shows_layers(here):
    run("fit", "diabetes.csv", *ARGS, "--penalty", "l1_l2", "--rule", "1se", "--out", "m.skops")
    said = run("inspect", "m.skops").output
    for word in ("mlp for target", "l1_l2", "rule 1se", "dead neurons", "1 (10×12)", "3 (5×1)", "stationary"):
        assert word in said


def test_sparse_data(here):
    X = sparse.random(60, 8, density=0.4, random_state=0, format="csr")
    dump_svmlight_file(X, X @ np.arange(8.0), "data.svmlight")
    run("fit", "data.svmlight", "--model", "mlp", "--alpha", "0.001", "--cv", "2", "--out", "m.skops")
    run("predict", "m.skops", "data.svmlight", "--out", "p.csv")
    assert np.corrcoef(pd.read_csv("p.csv")["prediction"], X @ np.arange(8.0))[0, 1] > 0.9


@pytest.mark.parametrize("text", ["0", "4,-1", "many", "4,,5", ""])
def test_bad_layers(here, text):
    if text:
        assert "--hidden" in failure("fit", "diabetes.csv", "--target", "target", "--model", "mlp", "--hidden", text)
    assert "--model mlp" in failure("fit", "diabetes.csv", "--target", "target", "--hidden", text)
    assert "--model mlp" in failure("fit", "diabetes.csv", "--target", "target", "--penalty", "l2")
