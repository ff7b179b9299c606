"""celer: working sets and dual extrapolation."""

import numpy as np
from celer import ElasticNet, GroupLasso, Lasso, LogisticRegression, celer_path

from ..data import GROUP
from . import Rival


def single(X, y, problem, tol):
    kwargs = {"alpha": problem.alpha, "fit_intercept": problem.fit_intercept, "tol": tol, "max_iter": 1000}
    lasso = problem.l1_ratio == 1.0
    model = Lasso(**kwargs) if lasso else ElasticNet(l1_ratio=problem.l1_ratio, **kwargs)
    model.fit(X, y)
    return model.coef_, model.intercept_


def logistic(X, y, problem, tol):
    model = LogisticRegression(C=1.0 / (problem.alpha * len(y)), fit_intercept=False, tol=tol, max_iter=1000)
    model.fit(X, y)
    return model.coef_, 0.0


def group(X, y, problem, tol):
    weights = np.full(X.shape[1] // GROUP, np.sqrt(GROUP))
    model = GroupLasso(
        groups=GROUP, alpha=problem.alpha, weights=weights, fit_intercept=problem.fit_intercept, tol=tol, max_iter=1000
    ).fit(X, y)
    return model.coef_, model.intercept_


def path(X, y, problem, tol):
    if not problem.fit_intercept:
        coefs = celer_path(
            X,
            y,
            "lasso",
            alphas=problem.alphas,
            l1_ratio=problem.l1_ratio,
            tol=tol,
            max_iter=1000,
            prune=True,
        )[1]
        return coefs.T, 0.0
    model = Lasso(fit_intercept=True, tol=tol, max_iter=1000, warm_start=True)  # its path function knows none
    coefs, intercepts = [], []
    for alpha in problem.alphas:
        model.set_params(alpha=alpha).fit(X, y)
        coefs.append(model.coef_.copy())
        intercepts.append(model.intercept_)
    return np.array(coefs), intercepts


RIVALS = [
    Rival(
        "celer", "celer", "celer", {"single": single, "path": path, "logistic": logistic, "group": group},
        {"default": tuple(10.0**-k for k in range(4, 12))},
        skips={"cv": "celer.LassoCV fails with scikit-learn 1.9"}
        | dict.fromkeys(("L7logit", "L7logit1", "L5ci"), "knows no logistic intercept, and no ridge"),
    ),
]  # fmt: skip
