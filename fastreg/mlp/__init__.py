"""Networks."""

from fastreg.mlp.classifier import MLPClassifier
from fastreg.mlp.cv import MLPClassifierCV, MLPRegressorCV
from fastreg.mlp.path import MLPPath, mlp_path
from fastreg.mlp.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPClassifierCV", "MLPPath", "MLPRegressor", "MLPRegressorCV", "mlp_path"]
