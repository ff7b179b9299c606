"""Floors: bare BLAS and LAPACK calls and a bare loop, with no validation, no screening and no certificate.

They solve the same problems with the same answers (the judge sees them too), but are not rivals: nothing of
an estimator is in them. Problems with an intercept are left out. ``gram_descent`` also makes the reference
curves of cross-validation.
"""

import numba
import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.linalg.blas import dsyrk

from . import Rival


@numba.njit(cache=True, fastmath=True)
def _descend(gram, q, coef, l1, l2, tol, max_epochs):
    """Coordinate descent on G w - q until an epoch moves nothing by more than tol (weighted by sqrt(G_jj)).

    ``q`` arrives as X'y/n - G w and leaves so.
    """
    p = len(coef)
    for _ in range(max_epochs):
        largest = 0.0
        for j in range(p):
            if gram[j, j] == 0.0:
                continue
            old = coef[j]
            score = q[j] + gram[j, j] * old
            new = 0.0
            if abs(score) > l1:
                new = (score - np.sign(score) * l1) / (gram[j, j] + l2)
            if new != old:
                step = new - old
                coef[j] = new
                for k in range(p):
                    q[k] -= step * gram[j, k]
                largest = max(largest, abs(step) * np.sqrt(gram[j, j]))
        if largest < tol:
            break


def gram_descent(gram, xty, alphas, l1_ratio, tol):
    """Elastic net along decreasing alphas from X'X/n and X'y/n; returns coefficients of shape (K, p)."""
    coef, q = np.zeros(len(xty)), np.empty(len(xty))
    coefs = []
    for alpha in alphas:
        np.subtract(xty, gram @ coef, out=q)  # what rounding has added up so far
        _descend(gram, q, coef, alpha * l1_ratio, alpha * (1.0 - l1_ratio), tol, 1_000_000)
        coefs.append(coef.copy())
    return np.array(coefs)


def _full(upper):
    return upper + np.triu(upper, 1).T


def path(X, y, problem, tol):
    n = len(y)
    gram = _full(dsyrk(1.0 / n, X, trans=1))
    return gram_descent(gram, X.T @ y / n, problem.alphas, problem.l1_ratio, tol), 0.0


def single(X, y, problem, tol):
    return path(X, y, problem, tol)[0][0], 0.0


def ridge(X, y, problem, tol):
    n, p = X.shape
    if p <= n:
        gram = dsyrk(1.0, X, trans=1)
        gram[np.diag_indices(p)] += problem.alpha
        return cho_solve(cho_factor(gram, overwrite_a=True, check_finite=False), X.T @ y, check_finite=False), 0.0
    gram = dsyrk(1.0, X)
    gram[np.diag_indices(n)] += problem.alpha
    return X.T @ cho_solve(cho_factor(gram, overwrite_a=True, check_finite=False), y, check_finite=False), 0.0


def loo_errors(X, y, alphas):
    """Leave-one-out mean squared errors of ridge for each alpha, and what gives its coefficients."""
    values, vectors = eigh(dsyrk(1.0, X, trans=1), lower=False, overwrite_a=True, check_finite=False)
    values = np.maximum(values, 0.0)
    xty = vectors.T @ (X.T @ y)
    shrink = 1.0 / (values[:, None] + alphas)
    errors = np.zeros(len(alphas))
    for start in range(0, len(y), 8192):
        turned = X[start : start + 8192] @ vectors
        residual = y[start : start + 8192, None] - turned @ (shrink * xty[:, None])
        residual /= 1.0 - np.square(turned) @ shrink
        errors += np.square(residual).sum(axis=0)
    return errors / len(y), (vectors, xty, values)


def loo(X, y, problem, tol):
    errors, (vectors, xty, values) = loo_errors(X, y, problem.alphas)
    best = int(np.argmin(errors))
    coef = vectors @ (xty / (values + problem.alphas[best]))
    return {"alpha": problem.alphas[best], "coef": coef, "intercept": 0.0, "curve": errors}


def one_pass(X, y, problem, tol):
    """Not a solution: the time of one X'r, which no certificate goes below."""
    return X.T @ y


def one_syrk(X, y, problem, tol):
    """Not a solution: the time of one Gram matrix, which all the folds share."""
    return dsyrk(1.0, X, trans=1)


WIDE = "a Gram matrix of the columns is no floor here"
OURS = "has an intercept"
EXACT = {"default": (None,)}
NOT_TALL = ("L2a", "L2b", "L2path", "L3", "L3path", "L4b", "L4c", "NCI60")
TINY = dict.fromkeys(("L7lasso", "L7ridge", "L7cv", "L7path"), "too small to say anything")
RIVALS = [
    Rival(
        "bare", "", "", {"single": single, "path": path, "ridge": ridge, "loo": loo},
        {"default": tuple(10.0**-k for k in range(4, 12)), "ridge": (None,), "loo": (None,)},
        skips=dict.fromkeys(("L2a", "L2b", "L2path", "L3", "L3path", "L4b", "L4c", "NCI60"), WIDE)
        | {"L7lasso": OURS, "L7ridge": OURS},
        floor=True,
    ),
    Rival("bare X'r", "", "", {"single": one_pass, "path": one_pass}, EXACT, skips=TINY, floor=True),
    Rival(
        "bare syrk", "", "", {"single": one_syrk, "path": one_syrk, "cv": one_syrk, "ridge": one_syrk},
        EXACT, skips=dict.fromkeys(NOT_TALL + ("L6c",), WIDE) | TINY,
        floor=True,
    ),
]  # fmt: skip


def fold_curve(X, y, problem, tol=1e-10):
    """Reference curve of cross-validation: mean test error for each alpha over contiguous folds.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    problem : bench.data.Problem
    tol : float
        Of coordinate descent on each fold's Gram matrix.

    Returns
    -------
    ndarray of shape (K,)
    """
    if sp.issparse(X):
        raise ValueError("reference curves are for dense X")
    n, p = X.shape
    parts = []
    for rows in np.array_split(np.arange(n), problem.folds):
        block = X[rows[0] : rows[-1] + 1]
        parts.append((block.T @ block, block.T @ y[rows], block.sum(axis=0), y[rows].sum(), len(rows)))
    curve = np.zeros(len(problem.alphas))
    for k, rows in enumerate(np.array_split(np.arange(n), problem.folds)):
        gram, xty, sums, total, m = (sum(part[i] for j, part in enumerate(parts) if j != k) for i in range(5))
        mean, y_mean = (sums / m, total / m) if problem.fit_intercept else (np.zeros(p), 0.0)
        gram = gram / m - np.outer(mean, mean)
        coefs = gram_descent(gram, xty / m - mean * y_mean, problem.alphas, problem.l1_ratio, tol)
        error = y[rows, None] - X[rows] @ coefs.T - (y_mean - coefs @ mean)
        curve += np.square(error).mean(axis=0) / problem.folds
    return curve
