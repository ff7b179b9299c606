"""Threads, forks and Ctrl-C: results don't depend on the first, survive the second, and the third ends any fit soon."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from fastreg import MultiTaskLasso
from fastreg._threads import Pace, get_num_threads
from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import cv_errors, solve_path

FOREVER = {"tol": 1e-13, "max_iter": 10**9}
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def dense(n, p):
    """Correlated columns: slow to solve."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, p)) + 3 * rng.standard_normal((n, 1)), rng.standard_normal(n)


def text(n, p):
    rng = np.random.default_rng(0)
    lengths = np.clip((0.6 * n / np.arange(1, p + 1)).astype(int), 5, n)
    rows = np.concatenate([np.sort(rng.choice(n, length, replace=False)) for length in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csc_array((rng.uniform(0.1, 1, len(rows)), rows, indptr), shape=(n, p)), rng.standard_normal(n)


def full(n, p):
    """Sparse in name only: long single passes."""
    return Design(sparse.csc_array((np.ones(n * p), np.tile(np.arange(n), p), n * np.arange(p + 1)), shape=(n, p)))


def path(data, smallest, n_alphas, **options):
    X, y = data
    design = Design(X)
    top = np.abs(design.bind(y)[2]).max()
    alphas = top * np.geomspace(1, smallest, n_alphas + 1)[1:]
    return solve_path(design, y, alphas, FeatureL1L2(design.p), **{**FOREVER, **options})


def tasks(n, p):
    X = 10 * dense(n, p)[0]  # no fixed point of rounding is near
    return MultiTaskLasso(1e-3, tol=0.0, max_iter=10**9).fit(X, np.random.default_rng(0).standard_normal((n, 3)))


def cv(data, smallest, n_alphas, n_folds, **options):
    X, y = data
    rows, fold = np.arange(len(y)), np.arange(len(y)) % n_folds
    folds = [(rows[fold != k], rows[fold == k]) for k in range(n_folds)]
    alphas = np.geomspace(0.1, 0.1 * smallest, n_alphas)[None]
    return cv_errors(X, y, None, folds, alphas, [1.0], **{**FOREVER, **options})


# ---------------------------------------------------------------------------------------------------------
# threads


def test_number_of_threads():
    """What threadpoolctl and OMP_NUM_THREADS say, and never more than the cores."""
    with threadpool_limits(1, user_api="openmp"):
        assert get_num_threads() == 1
    with threadpool_limits(1000, user_api="openmp"):
        assert get_num_threads() <= os.cpu_count()
    done = subprocess.run(
        [sys.executable, "-c", "from fastreg._threads import get_num_threads; print(get_num_threads())"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


SAME = {
    "Gram path": lambda: path(dense(30_000, 60), 1e-2, 6, tol=1e-12).coefs,
    "single fit": lambda: path(dense(30_000, 60), 0.1, 1, tol=1e-12).coefs,
    "working set": lambda: path(dense(300, 6000), 0.1, 3, tol=1e-12).coefs,
    "sparse": lambda: path(text(3000, 4000), 0.1, 3, tol=1e-12).coefs,
    "folds": lambda: cv(dense(6000, 200), 1e-2, 20, 4, tol=1e-12),
    "folds by masks": lambda: cv(dense(300, 3500), 0.3, 3, 3, tol=1e-12),
}


@pytest.mark.parametrize("what", SAME)
def test_threads_change_roundings_only(what):
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            results.append(SAME[what]())
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-9 * np.abs(results[0]).max())


# ---------------------------------------------------------------------------------------------------------
# one thread or all of them


def paced(n, one, many):
    """(seconds that n pieces take as Pace chooses, on one thread, on two); one(i), many(i): seconds of piece i."""
    pace, total = Pace(), 0.0
    for i in range(n):
        seconds = many(i) if pace.pick(2) == 2 else one(i)
        pace.done(3.0, seconds)
        total += seconds
    return total, sum(map(one, range(n))), sum(map(many, range(n)))


@pytest.mark.parametrize("n", [200, 5000])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("piece", [2e-4, 2e-3, 0.05])
def test_two_threads_beside_another_process(n, share, piece):
    """Where one piece in a few waits for its turn and the rest are quick: not slower than on one thread."""
    rng = np.random.default_rng(0)
    waits = np.where(rng.random(n) < share, 4 * piece * rng.random(n), 0)
    total, one, many = paced(n, lambda i: piece, lambda i: 0.55 * piece + waits[i])
    assert total <= 1.02 * min(one, max(many, 0.9 * one)) + max(8 * piece, 0.012)


@pytest.mark.parametrize("slower", [1.02, 1.2, 3.0, 15.0])
def test_work_too_small_for_two_threads(slower):
    n = 2000
    total, one, _ = paced(n, lambda i: 1e-3, lambda i: slower * 1e-3)
    assert total <= 1.02 * one + 2 * slower * 1e-3


@pytest.mark.parametrize("calls", [1, 30])
def test_work_of_milliseconds_stays_on_one_thread(calls):
    """Of one call or of several; not where more of it is known of, or has been done."""
    pace = Pace()
    for _ in range(calls):
        for left in (3, 2, 1):
            assert pace.pick(2, left) == 1
            pace.done(1, 0.075 / 3 / calls)
    assert pace.pick(2, 0.1 * calls) == 1
    assert pace.pick(2, 30 * calls) == 2
    pace = Pace()
    for _ in range(4):
        assert pace.pick(2, 1) == 1
        pace.done(1, 0.0225)
    assert pace.pick(2, 1) == 2


def test_a_quiet_machine_has_two_threads():
    total, _, many = paced(400, lambda i: 2e-3, lambda i: 1.1e-3)
    assert total <= 1.015 * many
    # a hiccup now and then is no reason to leave them
    total, _, many = paced(400, lambda i: 2e-3, lambda i: 5e-3 if i % 40 == 20 else 1.1e-3)
    assert total <= 1.05 * many


def test_what_one_thread_takes_is_found_out_again():
    """It was disturbed when it was timed, or the processor has slowed down since."""
    total, one, _ = paced(2000, lambda i: 4e-3 if i == 0 else 2e-3, lambda i: 3e-3)
    assert total <= 1.1 * one
    total, _, many = paced(4000, lambda i: 2e-3 * (1 + (i > 300)), lambda i: 1.2e-3 * (1 + (i > 300)))
    assert total <= 1.05 * many


def test_a_piece_is_cut_short_when_the_credit_is_used_up():
    pace = Pace()
    assert pace.pick(2) == 1
    assert pace.patience(10) == np.inf
    pace.done(10, 1.0)
    assert pace.pick(2) == 2
    assert pace.patience(10) == 1.5
    pace.done(2, 1.7)
    assert pace.pick(2) == 1
    assert pace.pick(1) == 1


# ---------------------------------------------------------------------------------------------------------
# forks

# In processes of their own, as pytest's may have threads already; a child that hangs is killed by the timeout.
FORK = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore")      # Python warns of forks beside threads
import numpy as np
from fastreg import LassoCV, Ridge, Lasso
rng = np.random.default_rng(0)
X, y = rng.standard_normal((20000, 64)), rng.standard_normal(20000)

def fit(_):
    return np.concatenate([Lasso(0.001).fit(X, y).coef_, Ridge(1.0).fit(X, y).coef_, LassoCV(cv=3).fit(X, y).coef_])

if __name__ == "__main__":
    here = fit(0)
"""
FORKS = {
    "fork": """
    child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(fit(0), here, atol=1e-8) else 1)
    assert os.waitpid(child, 0)[1] == 0
    fit(0)
""",
    "pool": """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for there in pool.map(fit, range(3)):
            np.testing.assert_allclose(there, here, atol=1e-8)
""",
    "loky": """
    from joblib import Parallel, delayed
    for there in Parallel(n_jobs=2, backend="loky")(delayed(fit)(i) for i in range(3)):
        np.testing.assert_allclose(there, here, atol=1e-8)
""",
    "threads": """
    from joblib import Parallel, delayed
    for there in Parallel(n_jobs=3, backend="threading")(delayed(fit)(i) for i in range(6)):
        np.testing.assert_allclose(there, here, atol=1e-8)
""",
}


@posix
@pytest.mark.parametrize("how", FORKS)
def test_after_a_fork(how, tmp_path):
    """Fits in children and workers end, with the parent's results, after the parent has used its threads."""
    script = tmp_path / "script.py"
    script.write_text(FORK + FORKS[how])
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, script], env=environment, timeout=120, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------------------------------------------
# Ctrl-C

# Each takes far longer than the patience of the test.
LONG = {
    "Gram matrix, many alphas": lambda: path(dense(1000, 300), 1e-5, 100_000),
    "Gram matrix, large": lambda: path(dense(2500, 2000), 1e-6, 400),
    "working set": lambda: path(dense(400, 4000), 1e-5, 4000),
    "sparse": lambda: path(text(3000, 20_000), 1e-6, 1000),
    "one pass over sparse X": lambda: full(1000, 5000).xt_r(np.zeros((1000, 5000))),
    "sparse Gram matrix": lambda: full(3000, 5000).gram(),
    "sparse Gram matrix of rows": lambda: full(3000, 5000).row_gram(),
    "several tasks": lambda: tasks(300, 200),
    "folds": lambda: cv(dense(1000, 300), 1e-5, 100_000, 3),
    "folds by masks": lambda: cv(dense(400, 2000), 1e-5, 4000, 3),
}


@posix
@pytest.mark.parametrize("delay", [0.5, 1.5])
@pytest.mark.parametrize("what", LONG)
def test_ctrl_c(what, delay):
    """KeyboardInterrupt within a second of the signal (and some patience for a busy machine)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    process = subprocess.Popen(
        [sys.executable, __file__, what], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        start = time.perf_counter()
        _, errors = process.communicate(timeout=20)
        assert time.perf_counter() - start < 2
    finally:
        process.kill()
        process.communicate()
    assert "KeyboardInterrupt" in errors


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have it ignored
    print("ready", flush=True)
    LONG[sys.argv[1]]()
    print("finished", file=sys.stderr)
