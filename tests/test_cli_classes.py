"""`fastreg fit` and `predict` on classes: what is fitted, saved, shown and predicted."""

import numpy as np
import pandas as pd
import pytest
from command_line import run
from sklearn.datasets import dump_svmlight_file, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from fastreg import LogisticRegression, MLPClassifier
from fastreg.cli import linear, models, network
from fastreg.cli.pipeline import Choices


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Iris in the current directory: three classes by name, two as true/false and as numbers."""
    monkeypatch.chdir(tmp_path)
    data = load_iris(as_frame=True)
    X = data.data.assign(late=data.target_names[data.target] == "virginica")
    X.assign(species=data.target_names[data.target]).to_csv("iris.csv", index=False)
    np.savez("iris.npz", X=data.data, y=data.target_names[data.target], code=data.target)
    dump_svmlight_file(data.data, data.target, "iris.svmlight")
    return tmp_path


DROP = ("--drop", "late")


def scaled(path="iris.csv"):
    table = pd.read_csv(path).drop(columns=["late"])
    X, y = table.drop(columns="species").to_numpy(), table["species"].to_numpy()
    return X / X.std(axis=0), y


def losses(model, Z, y):
    """Mean log loss of each of five shuffled folds in the classes' proportions, and the share of rows right."""
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(Z, y))
    fits = [(model.fit(Z[train], y[train]).predict_proba(Z[test]), test) for train, test in folds]
    loss = np.array([log_loss(y[test], p, labels=model.classes_) for p, test in fits])
    right = sum((model.classes_[p.argmax(axis=1)] == y[test]).sum() for p, test in fits)
    return loss, right / len(y)


@pytest.mark.parametrize(
    ("name", "l1_ratio"), [("lasso", 1.0), ("ridge", 0.0), ("elastic-net", 0.5)], ids=["lasso", "ridge", "elastic-net"]
)
def test_linear_models_are_logistic_regression_by_hand(here, name, l1_ratio):
    options = ("--target", "species", *DROP, "--model", name, "--alpha", "0.02", "--out", "m.skops")
    said = run("fit", "iris.csv", *options).output
    run("predict", "m.skops", "iris.csv", "--probabilities", "--out", "p.csv")
    Z, y = scaled()
    model = LogisticRegression(C=1 / (0.02 * len(y)), l1_ratio=l1_ratio, tol=1e-8)
    loss, right = losses(model, Z, y)
    model.fit(Z, y)
    written = pd.read_csv("p.csv")
    np.testing.assert_array_equal(written["prediction"], model.predict(Z))
    shares = written[[f"probability of {c}" for c in model.classes_]]
    np.testing.assert_allclose(shares, model.predict_proba(Z), atol=2e-3)
    saved = models.load("m.skops")["summary"]
    assert saved.cv_error == pytest.approx(loss.mean(), rel=1e-3)
    assert saved.cv_se == pytest.approx(loss.std(ddof=1) / np.sqrt(5), rel=1e-2)
    assert saved.accuracy == pytest.approx(right)
    assert saved.null_error == pytest.approx(np.log(3))
    assert "classes    3: setosa, versicolor, virginica" in said
    assert f"{100 * right:.1f} % right" in said


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_grid_begins_where_all_coefficients_are_zero(here, l1_ratio):
    Z, y = scaled()
    alphas = linear.logistic_grid(Z, y, l1_ratio)
    for alpha, some in ((alphas[0] * (1 + 1e-9), False), (alphas[0] * 0.98, True)):
        coef = LogisticRegression(C=1 / (alpha * len(y)), l1_ratio=l1_ratio, tol=1e-9).fit(Z, y).coef_
        assert coef.any() == some


@pytest.mark.parametrize("model", ["lasso", "ridge"])
def test_alpha_by_folds(here, model):
    said = run("fit", "iris.csv", "--target", "late", "--model", model, "--rule", "1se", "--out", "m.skops").output
    assert "2: False, True" in said
    assert "rule 1se" in said
    said = run("inspect", "m.skops").output
    assert "non-zero coefficients, towards True" in said
    values = run("predict", "m.skops", "iris.csv").stdout.splitlines()[1:]
    late = pd.read_csv("iris.csv")["late"].astype(str)
    assert np.mean(late == values) > 0.95


def test_every_kind_of_file_and_label(here):
    Z = np.load("iris.npz", allow_pickle=False)
    for data, target, options in (
        ("iris.npz", "y", ()),
        ("iris.npz", "code", ("--task", "classification")),
        ("iris.svmlight", None, ("--task", "classification")),
    ):
        which = () if target is None else ("--target", target)
        run("fit", data, *which, *options, "--alpha", "0.01", "--out", "m.skops")
        run("predict", "m.skops", data, "--out", "p.npz")
        predicted = np.load("p.npz")["prediction"]
        expected = Z[target or "code"]
        assert predicted.dtype.kind == expected.dtype.kind
        assert np.mean(predicted == expected) > 0.9


def test_inspect_has_a_column_a_class(here):
    run("fit", "iris.csv", "--target", "species", *DROP, "--alpha", "0.01", "--out", "m.skops")
    lines = run("inspect", "m.skops", "--top", 1).output.splitlines()
    assert any(line.split() == ["column", "setosa", "versicolor", "virginica"] for line in lines)
    coef = models.load("m.skops")["pipeline"].named_steps["model"].coef_
    assert lines[-2].split()[-3:] == [f"{value:.4g}" for value in coef[:, np.abs(coef).max(axis=0).argmax()]]
    run("fit", "iris.csv", "--target", "species", "--alpha", "100", "--out", "m.skops")
    assert "predicts the shares of the classes" in run("inspect", "m.skops").output


def test_a_network_of_classes(here):
    options = ("--target", "species", *DROP, "--model", "mlp", "--hidden", "8", "--alpha", "0.001")
    said = run("fit", "iris.csv", *options, "--out", "m.skops").output
    assert "4-8-3" in said
    Z, y = scaled()
    settings = network.settings_of(Choices("mlp", hidden=(8,))) | {"alpha": 0.001}
    loss, right = losses(MLPClassifier(**settings), Z, y)
    saved = models.load("m.skops")["summary"]
    assert saved.cv_error == pytest.approx(loss.mean(), rel=1e-6)
    assert saved.accuracy == pytest.approx(right)
    run("predict", "m.skops", "iris.csv", "--out", "p.csv")
    np.testing.assert_array_equal(pd.read_csv("p.csv")["prediction"], MLPClassifier(**settings).fit(Z, y).predict(Z))
    assert "dead neurons" in run("inspect", "m.skops").output


def test_two_numbers_are_numbers_unless_said(here):
    table = pd.read_csv("iris.csv").drop(columns="species")
    table["late"] = table["late"].astype(int)
    table.to_csv("coded.csv", index=False)
    result = run("fit", "coded.csv", "--target", "late")
    assert "R²" in result.output
    assert "--task classification takes them for classes" in result.stderr
    assert "note" not in run("fit", "coded.csv", "--target", "late", "--task", "regression", "--alpha", "0.1").stderr
    assert "classes" in run("fit", "coded.csv", "--target", "late", "--task", "classification", "--alpha", "0.1").output
