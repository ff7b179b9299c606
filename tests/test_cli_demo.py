"""`fastreg demo`: it shows what LassoCV finds, in any terminal, with a picture."""

import os

import numpy as np
import pytest
from command_line import failure, run
from sklearn.model_selection import KFold

import fastreg
from fastreg.cli import demo


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small_wide(monkeypatch):
    """A quick stand-in for the wide data."""
    monkeypatch.setattr(demo, "wide", lambda: demo.simulated(n=40, p=100, n_true=3))


def check_picture(path):
    from matplotlib.image import imread

    pixels = imread(path)
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 1000
    assert pixels[..., :3].std() > 0.05


def test_demo(here, small_wide):
    said = run("demo").output
    assert os.listdir() == ["fastreg-demo.png"]
    check_picture("fastreg-demo.png")
    for column in demo.COLUMNS:
        assert column in said
    for word in (
        "Diabetes",
        "Simulated wide data",
        "← min",
        "← 1se",
        "no penalty",
        "Lasso coefficients",
        "bmi",
    ):
        assert word in said


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_demo_fits_the_terminal(here, small_wide, columns):
    said = run("demo", "--out", "p.png", env={"COLUMNS": str(columns)}).output
    tables = [line.rstrip() for line in said.splitlines() if "─" in line or "← min" in line]
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
