"""The command line: what it fits is what one would fit by hand; help, progress, what is printed."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from command_line import failure, run
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

import fastreg
from fastreg.cli import demo, models, report

TABLES = [".csv", ".tsv", ".parquet", ".feather"]
WRITERS = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".feather": lambda table, path: table.to_feather(path),
}
READERS = {
    ".csv": pd.read_csv,
    ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
    ".npz": lambda path: pd.DataFrame(dict(np.load(path))),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def table():
    """Diabetes in its own units with a text column, a true/false column, and some missing values."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    table = X.iloc[:120].copy()
    rng = np.random.default_rng(0)
    table["site"] = rng.choice(["north", "south", "west"], len(table))
    table["smoker"] = rng.random(len(table)) < 0.3
    table.loc[5:9, "bmi"] = np.nan
    table.loc[3, "site"] = None
    table["target"] = y.iloc[:120]
    return table


def by_hand(table):
    """What `fastreg fit` should predict for its own data, without a pipeline."""
    numbers = table.drop(columns=["target", "site"]).astype(float)
    numbers = numbers.fillna(numbers.mean())
    texts = pd.get_dummies(table["site"].fillna("missing"), dtype=float)
    X = pd.concat([numbers, texts], axis=1).to_numpy()
    scale = X.std(axis=0)
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    model = fastreg.LassoCV(cv=folds, rule="1se").fit(X / scale, table["target"])
    return model, model.predict(X / scale)


# -----------------------------------------------------------------------------------------------------------
# fit, predict, inspect


@pytest.mark.parametrize("ending", TABLES)
def test_table_round_trip(here, table, ending):
    WRITERS[ending](table, here / f"data{ending}")
    said = run("fit", f"data{ending}", "--target", "target", "--rule", "1se", "--out", "m.skops").output
    run("predict", "m.skops", f"data{ending}", "--out", f"out{ending}")
    model, expected = by_hand(table)
    np.testing.assert_allclose(READERS[ending](f"out{ending}")["prediction"], expected, rtol=1e-3)
    assert f"alpha {model.alpha_:.4g} (rule 1se)" in said
    assert f"{np.count_nonzero(model.coef_)} of {len(model.coef_)}" in said
    for word in ("CV error", "±", "non-zeros", "gap"):
        assert word in said


def test_predictions_do_not_depend_on_the_format(here, table):
    for ending in TABLES:
        WRITERS[ending](table, here / f"data{ending}")
    run("fit", "data.csv", "--target", "target", "--out", "m.skops")
    printed = [run("predict", "m.skops", f"data{ending}").stdout for ending in TABLES]
    assert printed[0].startswith("prediction\n")
    assert len(printed[0].splitlines()) == len(table) + 1
    assert len(set(printed)) == 1


def test_npz_and_svmlight(here, table):
    X = table.drop(columns=["site", "smoker", "target"]).fillna(0.0).to_numpy()
    y = table["target"].to_numpy()
    np.savez(here / "dense.npz", X=X, y=y)
    csc = sparse.csc_array(X)
    parts = {
        "data": csc.data,
        "indices": csc.indices,
        "indptr": csc.indptr,
        "shape": csc.shape,
        "format": b"csc",
    }
    np.savez(here / "sparse.npz", goal=y, **parts)
    dump_svmlight_file(X, y, str(here / "data.svm"), zero_based=False)
    run("fit", "dense.npz", "--out", "dense.skops")
    run("fit", "sparse.npz", "--target", "goal", "--out", "sparse.skops")
    run("fit", "data.svm", "--out", "svm.skops")
    expected = np.loadtxt(run("predict", "dense.skops", "dense.npz").stdout.splitlines()[1:])
    for model in ("dense", "sparse", "svm"):
        for data in ("dense.npz", "sparse.npz", "data.svm"):
            run("predict", f"{model}.skops", data, "--out", "out.npz")
            np.testing.assert_allclose(np.load("out.npz")["prediction"], expected, rtol=1e-3)


def test_sparse_stays_sparse(here):
    rng = np.random.default_rng(1)
    X = sparse.csr_array(rng.standard_normal((60, 400)) * (rng.random((60, 400)) < 0.02))
    pipeline = fit_in_python(X, X @ rng.standard_normal(400))
    assert sparse.issparse(pipeline[:-1].transform(X))


def fit_in_python(X, y):
    from fastreg.cli.fit import fit_pipeline
    from fastreg.cli.pipeline import Choices

    return fit_pipeline(X, y, None, Choices("lasso", cv=3))[0]


@pytest.mark.parametrize("model", ["lasso", "ridge", "elastic-net"])
@pytest.mark.parametrize("alpha", ["auto", "0.7"])
def test_models(here, table, model, alpha):
    table.to_csv("data.csv", index=False)
    options = ["--l1-ratio", "0.2", "--l1-ratio", "0.9"] if model == "elastic-net" else []
    fit = run("fit", "data.csv", "--target", "target", "--model", model, "--alpha", alpha, "--cv", 3,
              *options, "--out", "m.skops")  # fmt: skip
    assert model in fit.output
    assert ("(given)" in fit.output) == (alpha == "0.7")
    values = np.loadtxt(run("predict", "m.skops", "data.csv").stdout.splitlines()[1:])
    assert np.corrcoef(values, table["target"])[0, 1] > 0.5


def test_ridge_is_ridge_on_scaled_columns(here, table):
    numbers = table.drop(columns=["site", "smoker"]).fillna(0.0)
    numbers.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "target", "--model", "ridge", "--alpha", "30", "--out", "m.skops")
    X, y = numbers.drop(columns="target").to_numpy(), numbers["target"].to_numpy()
    expected = fastreg.Ridge(alpha=30.0).fit(X / X.std(axis=0), y).predict(X / X.std(axis=0))
    np.testing.assert_allclose(
        np.loadtxt(run("predict", "m.skops", "data.csv").stdout.splitlines()[1:]), expected, rtol=1e-6
    )


def test_inspect(here, table):
    table.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "target", "--out", "m.skops")
    said = run("inspect", "m.skops", "--top", 3).output
    for word in ("lasso for target", "CV error", "non-zeros", "L1 ", "L2 ", "gap", "Largest 3 of"):
        assert word in said
    content = models.load("m.skops")
    coef = content["pipeline"].named_steps["model"].coef_
    names = content["pipeline"][:-1].get_feature_names_out()
    listed = [line.split()[0] for line in said.splitlines()[-4:] if line.strip()]
    assert listed == list(names[np.argsort(-np.abs(coef))[:3]])


def test_inspect_a_model_of_zeros(here, table):
    table.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "target", "--alpha", "1e6", "--out", "m.skops")
    assert "every coefficient is zero" in run("inspect", "m.skops").output


def test_dropped_and_additional_columns(here, table):
    table.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "target", "--drop", "site", "--drop", "sex", "--out", "m.skops")
    less = table.drop(columns=["target", "site", "sex"])
    less[less.columns[::-1]].assign(other="text").to_csv("new.csv", index=False)
    assert run("predict", "m.skops", "new.csv").stdout == run("predict", "m.skops", "data.csv").stdout


def test_text_that_looks_like_numbers_later(here):
    rows = pd.DataFrame({"code": ["01", "02", "x"] * 10, "y": [1.0, 2.0, 5.0] * 10})
    rows.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "y", "--alpha", "1e-6", "--out", "m.skops")
    rows.iloc[:2].to_csv("new.csv", index=False)
    values = np.loadtxt(run("predict", "m.skops", "new.csv").stdout.splitlines()[1:])
    np.testing.assert_allclose(values, [1.0, 2.0], atol=1e-2)


def test_a_value_not_seen_at_fit_is_a_note(here, table):
    table.to_csv("data.csv", index=False)
    run("fit", "data.csv", "--target", "target", "--out", "m.skops")
    table.assign(site="nowhere", bmi=np.nan).to_csv("new.csv", index=False)
    result = run("predict", "m.skops", "new.csv")
    assert np.isfinite(np.loadtxt(result.stdout.splitlines()[1:])).all()
    assert "note: column 'site' has values not seen at fit ('nowhere')" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_names_as_many_as_rows_are_a_note(here):
    rows = pd.DataFrame({"id": [f"n{i}" for i in range(150)], "x": np.arange(150.0), "y": np.arange(150.0) ** 2})
    rows.to_csv("data.csv", index=False)
    assert "note: text column 'id' has 150" in run("fit", "data.csv", "--target", "y").stderr


def test_columns_that_are_not_what_was_meant_are_a_note(here):
    rows = pd.DataFrame({"x": ["?", *map(str, range(19))], "size": ["1", "b"] * 10, "y": np.arange(20.0)})
    rows.to_csv("data.csv")
    notes = run("fit", "data.csv", "--target", "y", "--alpha", "1").stderr.splitlines()
    assert [note.removeprefix("fastreg: note: ") for note in notes] == [
        "a column without a name is called 'Unnamed: 0'; --drop it if it numbers the rows",
        "column 'x' is text, as '?' is no number; empty cells are missing ones",
    ]


# -----------------------------------------------------------------------------------------------------------
# the program around the commands


def test_help():
    said = run("--help").output
    for command in ("demo", "fit", "predict", "inspect"):
        assert command in said
        assert "Usage" in run(command, "--help").output
    assert run().output == said


def test_version():
    assert fastreg.__version__ in run("--version").output


def test_unknown_command(here):
    assert "No such command" in failure("draw")


def test_unexpected_errors_are_one_line_and_debug_shows_more(here, monkeypatch):
    def broken(**options):
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(demo, "run", broken)
    assert "ValueError: first line (" in failure("demo")
    assert "Traceback" in run("--debug", "demo", code=2).stderr


def test_interrupt(here, monkeypatch):
    def stopped(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", stopped)
    assert "stopped" in run("demo", code=130).stderr


def test_missing_click():
    code = "import sys; sys.modules['click'] = None; from fastreg.cli import main; main(['demo'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == 'fastreg: error: the command line needs click: pip install "fastreg[cli]"\n'


def test_help_imports_no_numerical_package():
    code = (
        "import sys; from fastreg.cli import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: print({'numpy', 'sklearn', 'pandas', 'rich', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "fastreg.cli", "fit"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


# -----------------------------------------------------------------------------------------------------------
# what is printed


class Terminal:
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return True


def test_progress_on_a_terminal_only(capsys, monkeypatch):
    with report.working("fitting"):
        pass
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with report.working("fitting"):
        pass
    assert "fitting" in terminal.text
    assert "0:00:00" in terminal.text


def test_warnings_become_notes(capsys):
    with report.working("fitting"):
        for _ in range(2):
            warnings.warn("did not converge:\n  gap 3", ConvergenceWarning, stacklevel=1)
    assert capsys.readouterr().err == "fastreg: note: did not converge:\n"


def test_narrow_tables(capsys):
    rows = [["a long name of a column", "1.234", "5678"], ["b", "-1", "0"]]
    table = report.table(["column", "value", "other"], rows, width=36, optional=("other",))
    assert [column.header for column in table.columns] == ["column", "value"]
    report.need("rich.console").Console(width=24).print(table)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 24
    assert any("1.234" in line for line in lines)


def test_numbers():
    assert report.seconds(1.5) == "1.5 s"
    assert report.seconds(0.0123) == "12.3 ms"
    assert report.seconds(4.2e-5) == "42 µs"
    assert report.plus_minus(2972.4, 105.2, report.decimals(105.2)) == "2972 ± 105"
    assert report.plus_minus(0.08471, 0.0213, report.decimals(0.0213)) == "0.085 ± 0.021"
    assert report.plus_minus(1.5e9, 2e7, report.decimals(2e7)) == "1.500e+09 ± 2.0e+07"
    assert report.plus_minus(0.0, 0.0, report.decimals(0.0)) == "0.000 ± 0.000"
