"""Failures of the command line: one line, exit code 2, no file left behind or changed, no code run."""

import os
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from command_line import failure, run
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import fastreg
from fastreg.cli import io, models
from fastreg.cli.errors import Failure
from fastreg.cli.files import atomic, check_output


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = {
    "good.csv": "a,b,y\n1,u,1\n2,v,2\n3,u,4\n4,v,3\n5,u,7\n6,v,5\n",
    "empty.csv": "",
    "header.csv": "a,b,y\n",
    "ragged.csv": "a,y\n1,2\n1,2,3,4\n",
    "shifted.csv": "a,y\n1,2,3\n4,5,6\n",
    "semicolons.csv": "a;y\n1;2\n3;4\n",
    "binary.csv": b"\xff\xfe\x00\x81\n\x00\x00",
    "hollow.csv": "a,b,y\n1,,1\n2,,2\n3,,4\n4,,3\n5,,7\n",
    "latin.csv": "\u00e2ge,y\n1,2\n3,4\n".encode("latin-1"),
    "commas.csv": "a;y\n1,5;2\n3,5;4\n",
    "spaces.csv": "a, y\n1,2\n3,4\n",
    "holes.csv": "a,y\n1,1\n2,\n3,4\n4,\n5,7\n",
    "flat.csv": "a,y\n1,1\n2,1\n3,1\n4,1\n5,1\n6,1\n",
    "half.csv": "a,y\n1,1\n2,1.5\n3,1\n4,1.5\n5,1\n",
    "rare.csv": "a,y\n1,u\n2,u\n3,v\n4,u\n5,u\n",
    "gaps.csv": "a,y\n1,u\n2,\n3,v\n",
    "only.csv": "y\n1\n2\n3\n4\n5\n",
    "infinite.csv": "a,y\n1,1\n2,2\ninf,3\n4,4\n5,5\n",
    "short.csv": "a,y\n1,1\n2,2\n",
    "bad.parquet": "PAR1 and then nothing",
    "bad.feather": "not a feather",
    "bad.npz": "not a zip",
    "bad.svm": "1 2:x\n",
    "data.xlsx": "a spreadsheet",
}

FIT_FAILURES = {
    "no such file": (["gone.csv", "--target", "y"], "gone.csv: no such file"),
    "a folder": ([".", "--target", "y"], "not a file"),
    "unknown ending": (["data.xlsx", "--target", "y"], "unknown ending; use .csv"),
    "empty": (["empty.csv", "--target", "y"], "the file is empty"),
    "no rows": (["header.csv", "--target", "y"], "there are no rows"),
    "ragged rows": (["ragged.csv", "--target", "y"], "can't be read"),
    "more fields than names": (["shifted.csv", "--target", "y"], "more fields than"),
    "semicolons": (["semicolons.csv", "--target", "y"], "save it with commas"),
    "semicolons and decimal commas": (["commas.csv", "--target", "y"], "save it with commas and decimal points"),
    "another encoding": (["latin.csv", "--target", "y"], "latin.csv: its text is not UTF-8; save it in that"),
    "not text": (["binary.csv", "--target", "y"], "not UTF-8"),
    "corrupt parquet": (["bad.parquet", "--target", "y"], "can't be read"),
    "corrupt feather": (["bad.feather", "--target", "y"], "can't be read"),
    "corrupt npz": (["bad.npz"], "can't be read as npz"),
    "corrupt svmlight": (["bad.svm"], "can't be read as svmlight"),
    "no target": (["good.csv"], "with --target: good.csv has a, b, y"),
    "wrong target": (["good.csv", "--target", "z"], "no column 'z' for --target; it has a, b, y"),
    "nearly the target": (["spaces.csv", "--target", "Y"], "no column 'Y' for --target; did you mean ' y'?"),
    "nearly a column": (["good.csv", "--target", "y", "--drop", "B"], "--drop B: good.csv has no such column"),
    "text target": (["good.csv", "--target", "b", "--task", "regression"], "holds text ('u')"),
    "fractions as classes": (["half.csv", "--target", "y", "--task", "classification"], "holds 1.5: classes are"),
    "class of one row": (["rare.csv", "--target", "y"], "class 'v' of target 'y' has one row only"),
    "holes in classes": (["gaps.csv", "--target", "y"], "in 1 of 3 rows (first: row 2)"),
    "unknown task": (["good.csv", "--target", "y", "--task", "rank"], "--task"),
    "holes in target": (["holes.csv", "--target", "y"], "in 2 of 5 rows (first: row 2)"),
    "empty target": (["hollow.csv", "--target", "b"], "has no values"),
    "constant target": (["flat.csv", "--target", "y"], "same in every row"),
    "empty column": (["hollow.csv", "--target", "y"], "column 'b' has no values; leave it out with --drop b"),
    "infinite": (["infinite.csv", "--target", "y"], "column 'a' is infinite in row 3"),
    "nothing but the target": (["only.csv", "--target", "y"], "no column is left"),
    "wrong drop": (["good.csv", "--target", "y", "--drop", "z"], "--drop z"),
    "drop of the target": (["good.csv", "--target", "y", "--drop", "y"], "--drop y"),
    "more folds than rows": (["short.csv", "--target", "y"], "--cv 5: short.csv has only 2 rows"),
    "one fold": (["good.csv", "--target", "y", "--cv", "1"], "--cv"),
    "alpha not a number": (["good.csv", "--target", "y", "--alpha", "big"], "--alpha big: give auto or"),
    "alpha negative": (["good.csv", "--target", "y", "--alpha", "-1"], "--alpha -1"),
    "alpha nan": (["good.csv", "--target", "y", "--alpha", "nan"], "--alpha nan"),
    "l1_ratio of a lasso": (["good.csv", "--target", "y", "--l1-ratio", "0.5"], "elastic-net"),
    "l1_ratio too large": (["good.csv", "--target", "y", "--l1-ratio", "2"], "--l1-ratio"),
    "unknown model": (["good.csv", "--target", "y", "--model", "tree"], "--model"),
    "unknown option": (["good.csv", "--target", "y", "--depth", "3"], "--depth"),
    "no argument": ([], "DATA"),
    "model in a missing folder": (["good.csv", "--target", "y", "--out", "no/m.skops"], "make it first"),
    "model that is a folder": (["good.csv", "--target", "y", "--out", "folder.skops"], "not a regular file"),
    "model with another ending": (["good.csv", "--target", "y", "--out", "m.pkl"], "must end in .skops"),
}


@pytest.fixture
def files(here):
    """Every file of `FILES`, and a folder with the name of a model."""
    for name, content in FILES.items():
        (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (here / "folder.skops").mkdir()
    return here


@pytest.mark.parametrize(("args", "words"), FIT_FAILURES.values(), ids=FIT_FAILURES.keys())
def test_fit_failure(files, args, words):
    if "--out" not in args:
        args = [*args, "--out", "new.skops"]
    assert words in failure("fit", *args)


MATRIX_FAILURES = {
    "no X": ({"A": np.eye(3), "y": np.arange(3.0)}, [], "no array X in it, only A, y"),
    "no target": ({"X": np.eye(3)}, [], "no array 'y'"),
    "lengths": ({"X": np.eye(3), "y": np.arange(4.0)}, [], "must be as long"),
    "1-D": ({"X": np.ones(3), "y": np.arange(3.0)}, [], "must be a 2-D array"),
    "complex": ({"X": np.eye(3) * 1j, "y": np.arange(3.0)}, [], "real numbers"),
    "2-D target": ({"X": np.eye(3), "y": np.eye(3)}, [], "one real number or text a row"),
    "text target": ({"X": np.eye(3), "y": np.array(["a", "b", "c"])}, ["--task", "regression"], "holds text ('a')"),
    "nan target": ({"X": np.eye(3), "y": np.array([1.0, np.nan, 2.0])}, [], "first: row 2"),
    "objects": ({"X": np.array([[1, None]], dtype=object), "y": np.ones(1)}, [], "can't be read as npz"),
    "infinite": ({"X": np.diag([np.inf, 1, 1]), "y": np.arange(3.0)}, [], "infinite"),
    "empty column": (
        {"X": np.diag([np.nan, 1, 1]) + [[np.nan, 0, 0]] * 3, "y": np.arange(3.0)},
        [],
        "column 0",
    ),
    "no columns": ({"X": np.ones((3, 0)), "y": np.arange(3.0)}, [], "X is empty"),
    "drop": ({"X": np.eye(3), "y": np.arange(3.0)}, ["--drop", "x0"], "named columns"),
}


@pytest.mark.parametrize(("arrays", "args", "words"), MATRIX_FAILURES.values(), ids=MATRIX_FAILURES.keys())
def test_matrix_failure(here, arrays, args, words):
    np.savez(here / "data.npz", **arrays)
    assert words in failure("fit", "data.npz", *args, "--out", "m.skops")


def test_column_types_that_are_no_numbers(here):
    days = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=6), "y": np.arange(6.0)})
    days.to_parquet("days.parquet")
    assert "column 'day' holds datetime64" in failure("fit", "days.parquet", "--target", "y")
    lists = pd.DataFrame({"pair": [[1, 2]] * 6, "y": np.arange(6.0)})
    lists.to_parquet("lists.parquet")
    assert "column 'pair' holds mixed values" in failure("fit", "lists.parquet", "--target", "y")


def test_nullable_decimal_and_category_columns(here):
    from decimal import Decimal

    rows = pd.DataFrame(
        {
            "count": pd.array([1, 2, None, 4] * 5, dtype="Int64"),
            "price": [Decimal("1.5"), Decimal("2.5"), None, Decimal("0")] * 5,
            "size": pd.Categorical([3, 5, None, 3] * 5),
            "y": np.arange(20.0),
        }
    )
    rows.to_feather("data.feather")
    X, kinds = io.tidy(io.read_table("data.feather").drop(columns="y"), "data.feather")
    assert kinds == {"count": True, "price": True, "size": False}
    assert X["count"].isna().sum() == X["price"].isna().sum() == X["size"].isna().sum() == 5
    assert X["size"].iloc[0] == "3"
    run("fit", "data.feather", "--target", "y")


@pytest.fixture
def fitted(files):
    """The folder of `files` with a model of good.csv and one of a matrix."""
    run("fit", "good.csv", "--target", "y", "--alpha", "0.1", "--out", "m.skops")
    np.savez("data.npz", X=np.random.default_rng(0).standard_normal((20, 4)), y=np.arange(20.0))
    run("fit", "data.npz", "--out", "matrix.skops")
    return files


def test_predict_failures(fitted):
    (fitted / "less.csv").write_text("a\n1\n")
    (fitted / "text.csv").write_text("a,b\n1,u\nmany,v\n")
    (fitted / "wide.svm").write_text("1 9:2.0\n")
    np.savez("narrow.npz", X=np.eye(3))
    assert "no such file; save a model" in failure("predict", "gone.skops", "good.csv")
    assert "they come before the data" in failure("predict", "good.csv", "m.skops")
    assert "no column 'b'" in failure("predict", "m.skops", "less.csv", "--out", "p.csv")
    assert "column 'a' holds text ('many')" in failure("predict", "m.skops", "text.csv", "--out", "p.csv")
    assert "needs named columns" in failure("predict", "m.skops", "data.npz", "--out", "p.csv")
    assert "matrix of 4 columns" in failure("predict", "matrix.skops", "good.csv", "--out", "p.csv")
    assert "has 3 columns" in failure("predict", "matrix.skops", "narrow.npz", "--out", "p.csv")
    assert "fitted on 4 columns" in failure("predict", "matrix.skops", "wide.svm", "--out", "p.csv")
    assert "must end in .csv" in failure("predict", "m.skops", "good.csv", "--out", "p.xlsx")
    assert "predicts numbers, not classes" in failure("predict", "m.skops", "good.csv", "--probabilities")
    assert "overwrite the input" in failure("predict", "m.skops", "good.csv", "--out", "good.csv")


def test_corrupt_models(fitted):
    content = (fitted / "m.skops").read_bytes()
    (fitted / "cut.skops").write_bytes(content[: len(content) // 2])
    (fitted / "text.skops").write_text("not a model")
    with zipfile.ZipFile("other.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    skops.io.dump({"a": 1}, "dict.skops")
    skops.io.dump(fastreg.Lasso(), "bare.skops")
    for name in ("cut", "text", "other", "dict", "bare"):
        assert "is no fastreg model" in failure("inspect", f"{name}.skops")
        assert "is no fastreg model" in failure("predict", f"{name}.skops", "good.csv", "--out", "p.csv")


def test_models_run_no_code(fitted):
    content = models.load("m.skops")
    trap = FunctionTransformer(os.mkdir)
    content["pipeline"] = Pipeline([("columns", trap), *content["pipeline"].steps[1:]])
    content["summary"] = content["summary"].as_dict()
    skops.io.dump(content, "trap.skops")
    (fitted / "good.txt").write_text("")
    said = failure("predict", "trap.skops", "good.csv", "--out", "p.csv")
    assert "types that are not trusted" in said
    assert "mkdir" in said


def test_trusted_types_are_ours_and_one_more():
    ours = [name for name in models.trusted_types() if not name.startswith("fastreg.")]
    assert ours == ["numpy.dtype"]


@pytest.mark.parametrize(
    ("package", "extra", "args"),
    [
        ("rich", "cli", ["fit", "good.csv", "--target", "y"]),
        ("rich", "cli", ["inspect", "m.skops"]),
        ("pandas", "cli", ["fit", "good.csv", "--target", "y"]),
        ("pyarrow", "cli", ["fit", "bad.parquet", "--target", "y"]),
        ("skops", "cli", ["fit", "good.csv", "--target", "y", "--out", "n.skops"]),
        ("skops", "cli", ["inspect", "m.skops"]),
        ("matplotlib", "plot", ["demo"]),
    ],
)
def test_missing_package(fitted, monkeypatch, package, extra, args):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert f'this needs {package}: pip install "fastreg[{extra}]"' in failure(*args)


# -----------------------------------------------------------------------------------------------------------
# output files


def test_no_partial_output(here):
    path = check_output("model.skops", (".skops",))
    path.write_text("old")

    def write_half(error):
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(Failure, match="could not write .*No space left"):
        write_half(OSError(28, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        write_half(KeyboardInterrupt)
    assert os.listdir() == ["model.skops"]
    assert path.read_text() == "old"


def test_failing_writer_leaves_the_old_model(fitted, monkeypatch):
    def half(content, file):
        file.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(skops.io, "dump", half)
    before, old = sorted(os.listdir()), (fitted / "m.skops").read_bytes()
    assert "No space left" in run("fit", "good.csv", "--target", "y", "--out", "m.skops", code=2).stderr
    assert sorted(os.listdir()) == before
    assert (fitted / "m.skops").read_bytes() == old


def test_a_link_is_written_through(files):
    (files / "link.skops").symlink_to(files / "real.skops")
    run("fit", "good.csv", "--target", "y", "--alpha", "1", "--out", "link.skops")
    assert (files / "link.skops").is_symlink()
    assert (files / "real.skops").is_file()
