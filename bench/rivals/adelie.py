"""adelie: group elastic net; naive and covariance methods. It stops at 90 % deviance unless told not to."""

import os
import warnings

import adelie as ad
import numpy as np
import scipy.sparse as sp

from ..data import GROUP
from . import CORES, Rival

# Its import has bound this thread, and with it BLAS' threads that start later, to one core; adelie itself is
# quicker without that, too.
if CORES is not None:
    os.sched_setaffinity(0, CORES)
warnings.filterwarnings("ignore", module="adelie")


def _matrix(X, threads):
    if sp.issparse(X):
        return ad.matrix.sparse(X, method="naive", n_threads=threads)
    return ad.matrix.dense(X, method="naive", n_threads=threads)


def _solve(X, y, problem, tol, weights=None):
    state = ad.grpnet(
        X, ad.glm.gaussian(y, weights=weights), alpha=problem.l1_ratio, lmda_path=problem.alphas,
        intercept=problem.fit_intercept, tol=tol, early_exit=False, n_threads=problem.threads,
        progress_bar=False, max_iters=10_000_000,
    )  # fmt: skip
    return state.betas, np.asarray(state.intercepts)


def path(X, y, problem, tol):
    return _solve(_matrix(X, problem.threads), y, problem, tol)


def single(X, y, problem, tol):
    coefs, intercepts = path(X, y, problem, tol)
    return coefs.toarray()[0], float(intercepts[0])


def logistic(X, y, problem, tol):
    state = ad.grpnet(
        _matrix(X, problem.threads), ad.glm.binomial(y, dtype=np.float64), alpha=problem.l1_ratio,
        lmda_path=problem.alphas, intercept=problem.fit_intercept, tol=tol, irls_tol=tol, early_exit=False,
        n_threads=problem.threads, progress_bar=False, max_iters=10_000_000,
    )  # fmt: skip
    return state.betas.toarray()[0], float(np.ravel(state.intercepts)[0])


def group(X, y, problem, tol):
    state = ad.grpnet(
        _matrix(X, problem.threads), ad.glm.gaussian(y), groups=np.arange(0, X.shape[1], GROUP),
        lmda_path=problem.alphas, intercept=problem.fit_intercept, tol=tol, early_exit=False,
        n_threads=problem.threads, progress_bar=False, max_iters=10_000_000,
    )  # fmt: skip
    return state.betas.toarray()[0], float(state.intercepts[0])


def cov_path(X, y, problem, tol):
    n = len(y)
    state = ad.gaussian_cov(
        X.T @ X / n, X.T @ y / n, alpha=problem.l1_ratio, lmda_path=problem.alphas, tol=tol, early_exit=False,
        n_threads=problem.threads, progress_bar=False, max_iters=10_000_000,
    )  # fmt: skip
    return state.betas, 0.0


def cov_single(X, y, problem, tol):
    return cov_path(X, y, problem, tol)[0].toarray()[0], 0.0


def cv(X, y, problem, tol):
    # As its cv_grpnet does (weight 0 on the fold left out), but with everyone's folds.
    matrix = _matrix(X, problem.threads)
    n = len(y)
    curve = np.zeros(len(problem.alphas))
    for test in np.array_split(np.arange(n), problem.folds):
        weights = np.ones(n)
        weights[test] = 0.0
        coefs, intercepts = _solve(matrix, y, problem, tol, weights / weights.sum())
        error = y[test, None] - X[test] @ coefs.toarray().T - intercepts
        curve += (error**2).mean(axis=0) / problem.folds
    coefs, intercepts = _solve(matrix, y, problem, tol)
    best = int(np.argmin(curve))
    return {
        "alpha": problem.alphas[best], "coef": coefs.toarray()[best], "intercept": intercepts[best], "curve":
        curve,
    }  # fmt: skip


def ridge(X, y, problem, tol):
    state = ad.grpnet(
        _matrix(X, problem.threads), ad.glm.gaussian(y), alpha=0.0, lmda_path=problem.alphas / len(y),
        intercept=problem.fit_intercept, tol=tol, early_exit=False, n_threads=problem.threads,
        progress_bar=False,
    )  # fmt: skip
    return state.betas.toarray()[0], float(state.intercepts[0])


WIDE = "a Gram matrix of 20000 columns"
TOLS = {"default": tuple(10.0**-k for k in range(7, 18))}
RIVALS = [
    Rival("adelie-cov", "adelie", "adelie", {"single": cov_single, "path": cov_path}, TOLS,
          skips=dict.fromkeys(("L2a", "L2b", "L2path", "L3", "L3path", "L4b", "L4c", "NCI60"), WIDE)
          | {"L7lasso": "knows no intercept"}),
    Rival("adelie", "adelie", "adelie",
          {"single": single, "path": path, "cv": cv, "ridge": ridge, "logistic": logistic, "group": group},
          TOLS),
]  # fmt: skip
