"""skglm: coordinate descent with working sets, and on the Gram matrix. tol bounds the KKT violation."""

import numpy as np
from skglm.datafits import Logistic, Quadratic, QuadraticGroup
from skglm.penalties import L1, L1_plus_L2, MCPenalty, WeightedGroupL2
from skglm.solvers import AndersonCD, GramCD, GroupBCD, ProxNewton
from skglm.utils.data import grp_converter
from skglm.utils.jit_compilation import compiled_clone

from ..data import GAMMA, GROUP
from . import Rival


def _penalty(problem):
    lasso = problem.l1_ratio == 1.0
    return compiled_clone(L1(problem.alpha) if lasso else L1_plus_L2(problem.alpha, problem.l1_ratio))


def _split(coef, fit_intercept):
    return (coef[..., :-1], coef[..., -1]) if fit_intercept else (coef, 0.0)


def _anderson(problem, tol):
    return AndersonCD(max_iter=1000, max_epochs=100_000, tol=tol, fit_intercept=problem.fit_intercept)


def single(X, y, problem, tol):
    coef = _anderson(problem, tol).solve(X, y, compiled_clone(Quadratic()), _penalty(problem))[0]
    return _split(coef, problem.fit_intercept)


def logistic(X, y, problem, tol):
    solver = ProxNewton(max_iter=1000, max_pn_iter=1000, tol=tol, fit_intercept=problem.fit_intercept)
    coef = solver.solve(X, 2.0 * y - 1.0, compiled_clone(Logistic()), _penalty(problem))[0]
    return _split(coef, problem.fit_intercept)


def group(X, y, problem, tol):
    indices, starts = grp_converter(GROUP, X.shape[1])
    weights = np.full(len(starts) - 1, np.sqrt(GROUP))
    penalty = compiled_clone(WeightedGroupL2(problem.alpha, weights, starts, indices))
    datafit = compiled_clone(QuadraticGroup(starts, indices))
    solver = GroupBCD(max_iter=1000, max_epochs=100_000, tol=tol, fit_intercept=problem.fit_intercept)
    return _split(solver.solve(X, y, datafit, penalty)[0], problem.fit_intercept)


def mcp(X, y, problem, tol):
    penalty = compiled_clone(MCPenalty(problem.alpha, GAMMA))
    coefs = _anderson(problem, tol).path(X, y, compiled_clone(Quadratic()), penalty, alphas=problem.alphas)[1]
    return _split(coefs.T, problem.fit_intercept)


def path(X, y, problem, tol):
    datafit = compiled_clone(Quadratic())
    coefs = _anderson(problem, tol).path(X, y, datafit, _penalty(problem), alphas=problem.alphas)[1]
    return _split(coefs.T, problem.fit_intercept)


def gram(X, y, problem, tol):
    # Like its cyclic rule: the greedy default makes a pass over all features for every update.
    solver = GramCD(max_iter=100_000, tol=tol, fit_intercept=False, greedy_cd=False)
    return solver.solve(X, y, None, _penalty(problem))[0], 0.0


WIDE = "a Gram matrix of 20000 columns"
TOLS = {"default": tuple(10.0**-k for k in range(3, 10))}
RIVALS = [
    Rival("skglm", "skglm", "skglm",
          {"single": single, "path": path, "logistic": logistic, "group": group, "mcp": mcp}, TOLS),
    Rival(
        "skglm-gram", "skglm", "skglm", {"single": gram}, TOLS,
        skips=dict.fromkeys(("L2a", "L2b", "L3", "L4b", "L4c"), WIDE) | {"L7lasso": "knows no intercept"},
    ),
]  # fmt: skip
