"""Generalised linear models."""

from fastreg.glm.logistic import LogisticRegression
from fastreg.glm.regressors import GammaRegressor, PoissonRegressor, TweedieRegressor

__all__ = ["GammaRegressor", "LogisticRegression", "PoissonRegressor", "TweedieRegressor"]
