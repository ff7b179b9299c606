"""glum: iteratively reweighted least squares with coordinate descent inside."""

from functools import partial

from glum import GeneralizedLinearRegressor

from . import Rival


def _fit(X, y, problem, tol, alpha, solver, family="normal"):
    model = GeneralizedLinearRegressor(
        family=family, alpha=alpha, l1_ratio=problem.l1_ratio, fit_intercept=problem.fit_intercept,
        solver=solver, gradient_tol=tol, max_iter=1000,
    )  # fmt: skip
    model.fit(X, y)
    return model.coef_, model.intercept_


def single(X, y, problem, tol):
    return _fit(X, y, problem, tol, problem.alpha, "irls-cd")


def logistic(X, y, problem, tol):
    solver = "irls-cd" if problem.l1_ratio else "irls-ls"
    return _fit(X, y, problem, tol, problem.alpha, solver, "binomial")


def log_link(X, y, problem, tol, family):
    return _fit(X, y, problem, tol, problem.alpha, "irls-cd", family)


def ridge(X, y, problem, tol):
    return _fit(X, y, problem, tol, problem.alpha / len(y), "irls-ls")


WIDE = "makes a Hessian of the active columns squared"
RIVALS = [
    Rival(
        "glum", "glum", "glum", {"single": single, "ridge": ridge, "logistic": logistic,
         "poisson": partial(log_link, family="poisson"), "gamma": partial(log_link, family="gamma")},
        {"default": tuple(10.0**-k for k in range(3, 12))},
        skips=dict.fromkeys(("L3", "L6c", "L5b", "L5c", "L5ci"), WIDE),
    ),
]  # fmt: skip
