"""What the pages promise: their Python blocks run, their commands exist and work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    """Yield (line number, text) of the page's code blocks in these languages."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match[1] in languages:
            yield text.count("\n", 0, match.start(2)) + 1, match[2]


def commands(page):
    """The lines of the page's shell blocks, each split into words, without comments."""
    for _, text in blocks(page, "sh", "bash", "console"):
        for line in text.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """The blocks of one page, top to bottom, in one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__page__"}
    for line, text in blocks(page, "python"):
        # Blank lines in front make the line numbers of a traceback those of the page.
        exec(compile("\n" * (line - 1) + text, str(page), "exec"), namespace)


def test_the_first_two_commands_are_demo_and_test():
    assert list(commands(ROOT / "README.md"))[:2] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(page):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets


def test_the_commands_work(tmp_path):
    """README's ``fastreg`` lines, and those of ``python`` that they need, one after the other in an empty folder."""
    program = {"fastreg": [sys.executable, "-m", "fastreg.cli"], "python": [sys.executable]}
    lines = [words for words in commands(ROOT / "README.md") if words[0] in program]
    assert {words[0] for words in lines} == set(program)
    for words in lines:
        done = subprocess.run([*program[words[0]], *words[1:]], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
