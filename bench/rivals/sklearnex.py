"""Extension for scikit-learn by Intel (oneDAL)."""

from daal4py import daalinit
from daal4py.sklearn.linear_model import ElasticNet, Lasso
from sklearnex.linear_model import Ridge

from . import Rival


def ridge(X, y, problem, tol):
    daalinit(problem.threads)
    model = Ridge(alpha=problem.alpha, fit_intercept=problem.fit_intercept).fit(X, y)
    return model.coef_, model.intercept_


def single(X, y, problem, tol):
    daalinit(problem.threads)
    kwargs = {"alpha": problem.alpha, "fit_intercept": problem.fit_intercept, "tol": tol, "max_iter": 100_000}
    lasso = problem.l1_ratio == 1.0
    model = Lasso(**kwargs) if lasso else ElasticNet(l1_ratio=problem.l1_ratio, **kwargs)
    model.fit(X, y)
    return model.coef_, model.intercept_


WIDE = "a Gram matrix of 20000 columns"
RIVALS = [
    Rival(
        "sklearnex", "scikit-learn-intelex", "sklearnex.linear_model", {"single": single, "ridge": ridge},
        {"default": tuple(10.0**-k for k in range(4, 13)), "ridge": (None,)},
        skips=dict.fromkeys(("L2a", "L2b", "L3", "L4b", "L4c"), WIDE), order="C",
    ),
]  # fmt: skip
