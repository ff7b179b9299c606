"""The house rules a machine can hold: imports run one way, each file is mapped, names are public once."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastreg

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path.relative_to(ROOT) for pattern in ("*.py", "*.pyx", "*.pxd") for path in (ROOT / "fastreg").rglob(pattern)
)

# The floors of the house, lowest first. A room may import its own floor and those below.
FLOORS = [
    {"_simd", "_blas", "_threads"},
    {"design", "penalties", "losses"},
    {"solvers", "networks"},
    {"_callbacks", "_criteria", "_docs", "_linear_model", "_stages", "_validation", "model_selection"},
    {"linear", "glm", "mlp", "stability"},
    {"display", "cli", "_versions", "__init__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

CYTHON_IMPORT = re.compile(r"^[ \t]*(?:from\s+([\w.]+)\s+c?import\s+(.+)|c?import\s+([\w.]+))", re.MULTILINE)


def room_of(path):
    """``fastreg/solvers/gram.pyx`` -> ``solvers``; ``fastreg/_blas.pyx`` -> ``_blas``."""
    return path.with_suffix("").parts[1]


def imported_modules(path):
    """Full names of what a file imports or cimports; relative imports are resolved."""
    text = (ROOT / path).read_text(encoding="utf-8")
    package = path.parent.parts
    if path.suffix == ".py":
        found = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
                base = (base + (node.module or "")).rstrip(".")
                found.update(f"{base}.{alias.name}" for alias in node.names)
        return found
    # Docstrings may hold examples that import; comments are harmless, as ``import`` has to open the line.
    text = re.sub(r'"""(?:.|\n)*?"""', "", text)
    found = set()
    for base, names, plain in CYTHON_IMPORT.findall(text):
        if plain:
            found.add(plain)
            continue
        dots = len(base) - len(base.lstrip("."))
        if dots:
            base = ".".join([*package[: len(package) - dots + 1], base.lstrip(".")]).rstrip(".")
        found.update(f"{base}.{name}" for name in re.findall(r"\w+", names))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_run_one_way(path):
    """No room imports one of a floor above, inside functions either."""
    assert room_of(path) in FLOOR_OF, f"{path} is in no room: add it to FLOORS"
    floor = FLOOR_OF[room_of(path)]
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "fastreg" and parts[1:] and parts[1] in FLOOR_OF:
            assert FLOOR_OF[parts[1]] <= floor, f"{path} imports {module}, which is above it"


@pytest.mark.parametrize(
    ("module", "room"),
    [("scipy.linalg.cython_blas", "_blas"), ("scipy.linalg.cython_lapack", "_blas"), ("openmp", "_threads")],
)
def test_one_room_knows_it(module, room):
    users = {room_of(path) for path in SOURCES for name in imported_modules(path) if name.startswith(module)}
    assert users <= {room}


def test_thread_counts_come_from_one_place():
    """A parallel loop outside of _threads runs on as many threads as _threads says."""
    for path in SOURCES:
        if room_of(path) != "_threads" and "cython.parallel.prange" in imported_modules(path):
            loops = re.findall(r"^[^#\n]*prange\(.*", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert "fastreg._threads.num_threads" in imported_modules(path)
            assert loops
            assert [loop for loop in loops if "num_threads=" not in loop] == []


def modules_loaded_by(code):
    """Names in sys.modules of a fresh process after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_extras_stay_out_until_used():
    """The estimators load no extra that scikit-learn doesn't load; the package alone loads not even NumPy."""
    ours, theirs = (
        modules_loaded_by("from fastreg import *"),
        modules_loaded_by("import sklearn.linear_model"),
    )
    assert (ours - theirs) & {"matplotlib", "rich", "click", "pandas", "pyarrow", "skops"} == set()
    assert modules_loaded_by("import fastreg") & {"numpy", "sklearn"} == set()


def test_source_map_is_complete():
    """CONTRIBUTING's map names every source file, and none that is gone."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    mapped = {Path(name) for name in re.findall(r"^- `((?:fastreg|tests|bench)/[\w./]+)`", text, re.MULTILINE)}
    bench = {path.relative_to(ROOT) for path in (ROOT / "bench").rglob("*.py")}
    tests = {path.relative_to(ROOT) for path in (ROOT / "tests").glob("*.py")}
    c_files = {path.relative_to(ROOT) for path in (ROOT / "fastreg" / "_simd").glob("*.[ch]")}
    # A .pxd is on its .pyx's line; an empty __init__.py has nothing to say.
    files = {
        path
        for path in {*SOURCES, *bench, *tests, *c_files}
        if not (path.name == "__init__.py" and not (ROOT / path).read_text(encoding="utf-8").strip())
        and not (path.suffix == ".pxd" and path.with_suffix(".pyx") in SOURCES)
    }
    assert sorted(map(str, files - mapped)) == [], "not on the map"
    assert sorted(str(path) for path in mapped if not (ROOT / path).exists()) == [], "on the map, but gone"


def test_public_names():
    """``__all__`` is sorted, everything in it is there, and the names for type checkers are the same."""
    assert fastreg.__all__ == sorted(fastreg.__all__)
    assert [name for name in fastreg.__all__ if not hasattr(fastreg, name)] == []
    tree = ast.parse((ROOT / "fastreg" / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name for block in tree.body if isinstance(block, ast.If) for node in block.body for alias in node.names
    }
    assert typed == set(fastreg.__all__)
    assert set(fastreg.__all__) <= set(dir(fastreg))
    with pytest.raises(AttributeError, match="Perceptron"):
        _ = fastreg.Perceptron


def test_lower_bounds_are_the_versions_tested():
    """tests/oldest.txt pins each requirement to its lower bound in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    test = project["dependency-groups"]["test"]
    wanted = {*project["project"]["dependencies"], *extras["cli"], *extras["plot"], *test}
    lines = (ROOT / "tests" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert sorted(pinned) == sorted(line.replace(">=", "==") for line in wanted)


def test_show_versions(capsys):
    fastreg.show_versions()
    printed = capsys.readouterr().out
    for word in (
        fastreg.__version__,
        "numpy",
        "scipy",
        "scikit-learn",
        "SIMD level",
        "threads",
        "cores",
        "blas",
    ):
        assert word in printed


@pytest.mark.parametrize("limit", ["baseline", "x86-64-v3"])
def test_simd_level_can_be_bounded(limit):
    """FASTREG_SIMD takes a lower level than the processor's; with one level only, it stays the baseline."""
    code = "from fastreg._simd.dispatch import level; print(level)"
    environment = {**os.environ, "FASTREG_SIMD": limit}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() in {"baseline", limit}


def test_shared_docstring_texts_are_put_in():
    """No {name} is left of fastreg/_docs.py's texts, and every one of them is used."""
    from fastreg._docs import TEXTS

    described = [getattr(fastreg, name).__doc__ or "" for name in fastreg.__all__]
    for name, text in TEXTS.items():
        assert not any("{" + name + "}" in doc for doc in described), name
        assert any(text in doc for doc in described), name
