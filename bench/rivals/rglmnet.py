"""glmnet of R, where Rscript and r-cran-glmnet are installed. R times the fit, not the hand-over."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from . import Rival

SCRIPT = """
suppressMessages({library(glmnet); library(Matrix)})
dir <- commandArgs(TRUE)[1]
num <- function(f, k) readBin(file.path(dir, f), "double", k)
int <- function(f, k) readBin(file.path(dir, f), "integer", k)
d <- int("shape", 5)
if (d[4] == 1) {
  X <- new("dgCMatrix", x = num("data", d[5]), i = int("indices", d[5]), p = int("indptr", d[2] + 1),
           Dim = d[1:2])
} else X <- matrix(num("data", d[1] * d[2]), d[1], d[2])
y <- num("y", d[1]); lambda <- num("lambda", d[3]); opt <- num("options", 3)
glmnet.control(fdev = 0, devmax = 1)
s <- system.time(fit <- glmnet(X, y, alpha = opt[1], lambda = lambda, standardize = FALSE,
                               intercept = opt[2] == 1, thresh = opt[3], maxit = 1e8))
writeBin(as.vector(as.matrix(fit$beta)), file.path(dir, "beta"))
writeBin(as.vector(fit$a0), file.path(dir, "a0"))
writeBin(s[["elapsed"]], file.path(dir, "seconds"))
"""


def _available():
    if shutil.which("Rscript") is None:
        raise ImportError("no Rscript here (Debian: r-cran-glmnet)")
    if subprocess.run(["Rscript", "-e", "library(glmnet)"], capture_output=True).returncode:
        raise ImportError("R has no glmnet (Debian: r-cran-glmnet)")


def path(X, y, problem, tol):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sparse = sp.issparse(X)
        if sparse:
            X.data.tofile(folder / "data")
            X.indices.astype(np.int32).tofile(folder / "indices")
            X.indptr.astype(np.int32).tofile(folder / "indptr")
        else:
            X.T.tofile(folder / "data")
        shape = [*X.shape, len(problem.alphas), sparse, X.nnz if sparse else 0]
        np.array(shape, dtype=np.int32).tofile(folder / "shape")
        np.asarray(y, dtype=np.float64).tofile(folder / "y")
        np.asarray(problem.alphas).tofile(folder / "lambda")
        np.array([problem.l1_ratio, problem.fit_intercept, tol], dtype=np.float64).tofile(folder / "options")
        (folder / "fit.R").write_text(SCRIPT)
        subprocess.run(["Rscript", folder / "fit.R", name], check=True, env={**os.environ})
        coefs = np.fromfile(folder / "beta").reshape(len(problem.alphas), X.shape[1])
        intercepts = np.fromfile(folder / "a0") if problem.fit_intercept else 0.0
        return coefs, intercepts, float(np.fromfile(folder / "seconds")[0])


def single(X, y, problem, tol):
    coefs, intercepts, seconds = path(X, y, problem, tol)
    return coefs[0], np.ravel(intercepts)[0], seconds


_available()
RIVALS = [
    Rival(
        "R-glmnet", "", "", {"single": single, "path": path},
        {"default": tuple(10.0**-k for k in range(7, 19))},
        skips=dict.fromkeys(("L7lasso", "L7path"), "R's clock is too coarse"),
    ),
]  # fmt: skip
