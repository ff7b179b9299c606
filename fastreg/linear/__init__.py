"""Linear models."""

from fastreg.linear.lasso import ElasticNet, Lasso
from fastreg.linear.lasso_cv import ElasticNetCV, LassoCV
from fastreg.linear.multitask import MultiTaskElasticNet, MultiTaskLasso
from fastreg.linear.multitask_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from fastreg.linear.paths import enet_path, lasso_path
from fastreg.linear.ridge import Ridge
from fastreg.linear.ridge_classifier import RidgeClassifier, RidgeClassifierCV
from fastreg.linear.ridge_cv import RidgeCV

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "enet_path",
    "lasso_path",
]
