"""scikit-learn, with and without the Gram matrix, and its ridge solvers."""

from functools import partial

from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    enet_path,
    lasso_path,
)

from . import Rival


def _model(problem, tol, precompute, **more):
    kwargs = {
        "fit_intercept": problem.fit_intercept,
        "tol": tol,
        "max_iter": 1_000_000,
        "precompute": precompute,
    }
    if problem.l1_ratio == 1.0:
        return Lasso(alpha=problem.alpha, **kwargs, **more)
    return ElasticNet(alpha=problem.alpha, l1_ratio=problem.l1_ratio, **kwargs, **more)


def single(X, y, problem, tol, precompute=False):
    model = _model(problem, tol, precompute).fit(X, y)
    return model.coef_, model.intercept_


def path(X, y, problem, tol, precompute=False):
    if problem.fit_intercept:  # the path functions know no intercept
        model = _model(problem, tol, precompute, warm_start=True)
        coefs, intercepts = [], []
        for alpha in problem.alphas:
            model.set_params(alpha=alpha).fit(X, y)
            coefs.append(model.sparse_coef_.copy())
            intercepts.append(model.intercept_)
        from scipy.sparse import vstack

        return vstack(coefs), intercepts
    kwargs = {"alphas": problem.alphas, "precompute": precompute, "tol": tol, "max_iter": 1_000_000}
    if problem.l1_ratio == 1.0:
        return lasso_path(X, y, **kwargs)[1].T, 0.0
    return enet_path(X, y, l1_ratio=problem.l1_ratio, **kwargs)[1].T, 0.0


def cv(X, y, problem, tol, jobs=None):
    kwargs = {
        "alphas": problem.alphas, "fit_intercept": problem.fit_intercept, "cv": problem.folds, "tol": tol,
        "max_iter": 1_000_000, "n_jobs": jobs and problem.threads,
    }  # fmt: skip
    lasso = problem.l1_ratio == 1.0
    model = LassoCV(**kwargs) if lasso else ElasticNetCV(l1_ratio=problem.l1_ratio, **kwargs)
    model.fit(X, y)
    curve = model.mse_path_.mean(axis=-1)
    return {"alpha": model.alpha_, "coef": model.coef_, "intercept": model.intercept_, "curve": curve}


def logistic(X, y, problem, tol, solver="lbfgs"):
    model = LogisticRegression(
        C=1.0 / (problem.alpha * len(y)), l1_ratio=problem.l1_ratio, fit_intercept=problem.fit_intercept, tol=tol,
        solver="liblinear" if problem.l1_ratio else solver, max_iter=100_000, intercept_scaling=1e3,
    ).fit(X, y)  # fmt: skip
    return model.coef_, model.intercept_


def saga(X, y, problem, tol):
    model = LogisticRegression(
        C=1.0 / (problem.alpha * len(y)), l1_ratio=problem.l1_ratio, fit_intercept=problem.fit_intercept, tol=tol,
        solver="saga", max_iter=100_000,
    ).fit(X, y)  # fmt: skip
    return model.coef_, model.intercept_


def logistic_cv(X, y, problem, tol, solver="lbfgs"):
    n = len(y)
    model = LogisticRegressionCV(
        Cs=1.0 / (problem.alphas * n), l1_ratios=(problem.l1_ratio,), cv=problem.folds, scoring="neg_log_loss",
        fit_intercept=problem.fit_intercept, tol=tol, solver=solver, max_iter=100_000, n_jobs=problem.threads,
        use_legacy_attributes=False,
    ).fit(X, y)  # fmt: skip
    return {"alpha": 1.0 / (model.C_ * n), "coef": model.coef_, "intercept": model.intercept_}


def ridge(X, y, problem, tol, solver="auto"):
    kwargs = {} if tol is None else {"tol": tol, "max_iter": 100_000}
    model = Ridge(alpha=problem.alpha, fit_intercept=problem.fit_intercept, solver=solver, **kwargs).fit(X, y)
    return model.coef_, model.intercept_


def loo(X, y, problem, tol):
    model = RidgeCV(alphas=problem.alphas, fit_intercept=problem.fit_intercept).fit(X, y)
    return {
        "alpha": model.alpha_,
        "coef": model.coef_,
        "intercept": model.intercept_,
        "score": model.best_score_,
    }


TOLS = tuple(10.0**-k for k in range(4, 11))
EXACT = {"default": TOLS, "ridge": (None,), "loo": (None,)}
WIDE = "a Gram matrix of 20000 columns"
RIVALS = [
    Rival(
        "sklearn", "scikit-learn", "sklearn.linear_model",
        {"single": single, "path": path, "cv": cv, "ridge": ridge, "loo": loo, "logistic": logistic,
         "logistic_cv": logistic_cv}, EXACT,
    ),
    Rival(
        "sklearn-newton", "scikit-learn", "sklearn.linear_model",
        {"logistic": partial(logistic, solver="newton-cholesky"),
         "logistic_cv": partial(logistic_cv, solver="newton-cholesky")}, EXACT,
        skips=dict.fromkeys(("L5a", "L5b", "L5c", "L5ci", "L7logit1"), "has no L1 penalty"),
    ),
    Rival("sklearn-saga", "scikit-learn", "sklearn.linear_model", {"logistic": saga, "multinomial": saga}, EXACT),
    Rival(
        "sklearn-gram", "scikit-learn", "sklearn.linear_model",
        {"single": partial(single, precompute=True), "path": partial(path, precompute=True)}, EXACT,
        skips=dict.fromkeys(("L2a", "L2b", "L2path", "L3", "L3path", "L4b", "L4c", "NCI60"), WIDE),
    ),
    Rival("sklearn-jobs", "scikit-learn", "sklearn.linear_model", {"cv": partial(cv, jobs=True)}, EXACT),
    Rival(
        "sklearn-cg", "scikit-learn", "sklearn.linear_model", {"ridge": partial(ridge, solver="sparse_cg")},
    ),
    Rival("sklearn-lsqr", "scikit-learn", "sklearn.linear_model", {"ridge": partial(ridge, solver="lsqr")}),
]  # fmt: skip
