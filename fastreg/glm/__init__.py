"""Generalised linear models."""

from fastreg.glm.generalized import GeneralizedLinearClassifier, GeneralizedLinearRegressor
from fastreg.glm.generalized_cv import GeneralizedLinearClassifierCV, GeneralizedLinearRegressorCV
from fastreg.glm.logistic import LogisticRegression
from fastreg.glm.logistic_cv import LogisticRegressionCV
from fastreg.glm.path import glm_path
from fastreg.glm.regressors import GammaRegressor, PoissonRegressor, TweedieRegressor
from fastreg.glm.robust import HuberRegressor, QuantileRegressor

__all__ = [
    "GammaRegressor",
    "GeneralizedLinearClassifier",
    "GeneralizedLinearClassifierCV",
    "GeneralizedLinearRegressor",
    "GeneralizedLinearRegressorCV",
    "HuberRegressor",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "QuantileRegressor",
    "TweedieRegressor",
    "glm_path",
]
