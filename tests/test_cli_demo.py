"""`fastreg demo`: it shows what LassoCV finds, in any terminal, with a picture."""

import os

import numpy as np
import pytest
from command_line import failure, run
from sklearn.model_selection import KFold

import fastreg
from fastreg.cli import demo, demo_networks


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small_wide(monkeypatch):
    """A quick stand-in for the wide data, and short training."""
    monkeypatch.setattr(demo, "wide", lambda: demo.simulated(n=40, p=100, n_true=3))
    train = demo_networks.train
    monkeypatch.setattr(demo_networks, "train", lambda *args: train(*args, n_epochs=3))


def check_picture(path):
    from matplotlib.image import imread

    pixels = imread(path)
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 1000
    assert pixels[..., :3].std() > 0.05


def test_demo(here, small_wide):
    said = run("demo").output
    assert sorted(os.listdir()) == ["fastreg-demo-networks.png", "fastreg-demo.png"]
    check_picture("fastreg-demo.png")
    check_picture("fastreg-demo-networks.png")
    for column in demo.COLUMNS + demo_networks.COLUMNS:
        assert column in said
    for word in (
        "Diabetes",
        "Simulated wide data",
        "← min",
        "← 1se",
        "no penalty",
        "Lasso coefficients",
        "bmi",
        "Digits",
        "large, L1 + L2",
    ):
        assert word in said


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_demo_fits_the_terminal(here, small_wide, columns):
    said = run("demo", "--out", "p.png", env={"COLUMNS": str(columns)}).output
    tables = [line.rstrip() for line in said.splitlines() if "─" in line or "← min" in line or "large" in line]
    assert max(map(len, tables)) <= columns
    assert "CV error ± se" in said


def test_demo_failures(here):
    assert "must end in .png" in failure("demo", "--out", "picture.svg")
    assert "make it first" in failure("demo", "--out", "no/picture.png")
    assert "--folds" in failure("demo", "--folds", "1")


def test_demo_finds_what_lassocv_finds():
    data = demo.diabetes()
    found = demo.study(data, 5, 0)
    folds = list(KFold(5, shuffle=True, random_state=0).split(data.X))
    for rule, at in (("min", found.at_min), ("1se", found.at_1se)):
        model = fastreg.LassoCV(cv=folds, rule=rule).fit(data.X, data.y)
        assert model.alpha_ == found.alphas[at]
        np.testing.assert_allclose(found.coefs[:, at], model.coef_, atol=0.2)
    rows = demo.path_rows(data, found)
    assert len(rows[0]) == len(demo.COLUMNS)
    assert all(float(row[3]) <= 1e-4 for row in rows[:-1])


def test_demo_reads_nci60_without_importing_its_package(here, monkeypatch):
    folder = here / "ISLP"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    np.save(folder / "data" / "NCI60data.npy", np.random.default_rng(0).standard_normal((6, 9)))
    (folder / "data" / "NCI60labs.csv").write_text("label\nCNS\nMELANOMA\nCNS\nRENAL\nMELANOMA\nCNS\n")
    monkeypatch.syspath_prepend(str(here))
    data = demo.wide()
    assert data.title == "NCI60 (6 × 9)"
    np.testing.assert_array_equal(data.y, [0, 1, 0, 0, 1, 0])
    np.testing.assert_allclose(data.X.std(axis=0), 1.0)


def test_demo_says_that_simulated_data_is_simulated(monkeypatch):
    monkeypatch.setattr(demo, "nci60", lambda: None)
    data = demo.wide()
    assert data.title.startswith("Simulated")
    assert data.X.shape[1] > 10 * data.X.shape[0]
    assert sum("(true)" in name for name in data.names) == 10


def test_demo_networks_show_what_penalties_are_for():
    """The large network learns its wrong labels; with a penalty it doesn't, does better, and gets small."""
    data = demo_networks.digits(0)
    assert 0.1 < data.n_wrong / len(data.y) < 0.2
    found = {one[0]: demo_networks.train(*one, data, 0) for one in demo_networks.candidates()}
    large, sparse = found["large"], found["large, L1"]
    assert large.train[-1] > 0.97
    assert large.test[-1] < 0.9
    for name in ("large, L1", "large, L2", "large, L1 + L2"):
        assert found[name].test[-1] > large.test[-1] + 0.02
        assert found[name].train[-1] < 0.9
    np.testing.assert_allclose(sparse.test[-1], sparse.model.compact().score(data.X_test, data.y_test), atol=2e-3)
    assert sparse.model.compact().size()["bytes"] < large.model.size()["bytes"] / 2.5
    for one, row in zip(found.values(), demo_networks.rows(found.values())):
        assert len(row) == len(demo_networks.COLUMNS)
        assert row[1:3] == [f"{100 * one.train[-1]:.1f} %", f"{100 * one.test[-1]:.1f} %"]
