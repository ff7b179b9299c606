"""Generalised linear models."""

from fastreg.glm.logistic import LogisticRegression
from fastreg.glm.logistic_cv import LogisticRegressionCV
from fastreg.glm.path import glm_path
from fastreg.glm.regressors import GammaRegressor, PoissonRegressor, TweedieRegressor

__all__ = [
    "GammaRegressor",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "TweedieRegressor",
    "glm_path",
]
