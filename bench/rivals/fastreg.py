"""fastreg itself, through its public estimators."""

from functools import partial

import numpy as np

import fastreg

from ..data import GAMMA, GROUP
from . import Rival


def _grid(*exponents):
    return tuple(10.0**-k for k in exponents)


def single(X, y, problem, tol):
    kwargs = {"alpha": problem.alpha, "fit_intercept": problem.fit_intercept, "tol": tol, "max_iter": 100_000}
    lasso = problem.l1_ratio == 1.0
    model = fastreg.Lasso(**kwargs) if lasso else fastreg.ElasticNet(l1_ratio=problem.l1_ratio, **kwargs)
    model.fit(X, y)
    return model.coef_, model.intercept_


def logistic(X, y, problem, tol):
    model = fastreg.LogisticRegression(
        C=1.0 / (problem.alpha * len(y)), l1_ratio=problem.l1_ratio, fit_intercept=problem.fit_intercept, tol=tol,
        max_iter=1000,
    ).fit(X, y)  # fmt: skip
    return model.coef_, model.intercept_


def logistic_cv(X, y, problem, tol):
    n = len(y)
    model = fastreg.LogisticRegressionCV(
        Cs=1.0 / (problem.alphas * n), l1_ratios=(problem.l1_ratio,), cv=problem.folds, scoring="neg_log_loss",
        fit_intercept=problem.fit_intercept, tol=tol, max_iter=1000, use_legacy_attributes=False,
    ).fit(X, y)  # fmt: skip
    return {"alpha": 1.0 / (model.C_ * n), "coef": model.coef_, "intercept": model.intercept_}


def group(X, y, problem, tol):
    penalty = fastreg.GroupL1(problem.alpha)
    model = fastreg.GeneralizedLinearRegressor(
        "squared", penalty, groups=GROUP, fit_intercept=problem.fit_intercept, tol=tol, max_iter=1000
    )
    model.fit(X, y)
    return model.coef_, model.intercept_


def mcp(X, y, problem, tol):
    path = fastreg.glm_path(
        X, y, "squared", penalty=fastreg.MCP(1.0, GAMMA), alphas=problem.alphas, fit_intercept=problem.fit_intercept,
        tol=tol, max_iter=1000,
    )  # fmt: skip
    return path.coefs, path.intercepts


def log_link(X, y, problem, tol, estimator):
    model = estimator(
        alpha=problem.alpha, l1_ratio=problem.l1_ratio, fit_intercept=problem.fit_intercept, tol=tol, max_iter=1000
    ).fit(X, y)
    return model.coef_, model.intercept_


def path(X, y, problem, tol):
    coefs = fastreg.enet_path(
        X, y, l1_ratio=problem.l1_ratio, alphas=problem.alphas, fit_intercept=problem.fit_intercept, tol=tol,
        max_iter=100_000, dense_output=not hasattr(X, "tocsc"),
    )[1]  # fmt: skip
    # The path functions return no intercepts; their documentation gives this formula.
    intercepts = y.mean() - np.ravel(X.mean(axis=0)) @ coefs if problem.fit_intercept else 0.0
    return coefs.T, intercepts


def cv(X, y, problem, tol):
    kwargs = {
        "alphas": problem.alphas, "fit_intercept": problem.fit_intercept, "cv": problem.folds, "tol": tol,
        "max_iter": 100_000,
    }  # fmt: skip
    lasso = problem.l1_ratio == 1.0
    model = fastreg.LassoCV(**kwargs) if lasso else fastreg.ElasticNetCV(l1_ratio=problem.l1_ratio, **kwargs)
    model.fit(X, y)
    curve = model.mse_path_.mean(axis=-1)
    return {"alpha": model.alpha_, "coef": model.coef_, "intercept": model.intercept_, "curve": curve}


def ridge(X, y, problem, tol):
    model = fastreg.Ridge(alpha=problem.alpha, fit_intercept=problem.fit_intercept).fit(X, y)
    return model.coef_, model.intercept_


def loo(X, y, problem, tol):
    model = fastreg.RidgeCV(alphas=problem.alphas, fit_intercept=problem.fit_intercept).fit(X, y)
    return {
        "alpha": model.alpha_,
        "coef": model.coef_,
        "intercept": model.intercept_,
        "score": model.best_score_,
    }


RIVALS = [
    Rival(
        "fastreg", "fastreg", "fastreg",
        {"single": single, "path": path, "cv": cv, "ridge": ridge, "loo": loo, "logistic": logistic,
         "multinomial": logistic, "logistic_cv": logistic_cv, "group": group, "mcp": mcp,
         "poisson": partial(log_link, estimator=fastreg.PoissonRegressor),
         "gamma": partial(log_link, estimator=fastreg.GammaRegressor)},
        {"default": _grid(4, 5, 6, 7, 8), "ridge": (None,), "loo": (None,)},
    ),
]  # fmt: skip
