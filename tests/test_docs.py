"""The documentation: its examples run, and its API page has every public name."""

import re
import runpy
from pathlib import Path

import pytest

import fastreg

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example, monkeypatch, tmp_path):
    """To the end, with what they assert about their own results, and with a picture."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    monkeypatch.chdir(tmp_path)
    try:
        runpy.run_path(str(example), run_name="__main__")
    finally:
        plt.close("all")
    assert shown


def test_there_are_examples():
    assert EXAMPLES


def test_api_page_is_complete():
    listed = set(re.findall(r"^    (\w+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(fastreg.__all__) - {"__version__"}
