"""glmnet through python-glmnet (its Fortran). With l1_ratio < 1 it agrees for y of variance 1 only."""

import numpy as np
from glmnet import ElasticNet

from . import Rival


def path(X, y, problem, tol):
    model = ElasticNet(
        alpha=problem.l1_ratio, lambda_path=np.array(problem.alphas), standardize=False, n_splits=0,
        fit_intercept=problem.fit_intercept, tol=tol, max_iter=100_000_000,
    )  # fmt: skip
    model.fit(X, y)
    intercepts = model.intercept_path_ if problem.fit_intercept else 0.0
    return model.coef_path_.T, intercepts


def single(X, y, problem, tol):
    coefs, intercepts = path(X, y, problem, tol)
    return coefs[-1], np.ravel(intercepts)[-1]


RIVALS = [
    Rival(
        "glmnet", "python-glmnet", "glmnet", {"single": single, "path": path},
        {"default": tuple(10.0**-k for k in range(7, 20))},
        skips={"cv": "shuffles its folds: no common curve"},
    ),
]  # fmt: skip
