"""fastreg: regularised regression behind scikit-learn's API, with a certificate of optimality for every fit.

Names are loaded when they are first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastreg._versions import __version__, show_versions
    from fastreg.glm import (
        GammaRegressor,
        GeneralizedLinearClassifier,
        GeneralizedLinearClassifierCV,
        GeneralizedLinearRegressor,
        GeneralizedLinearRegressorCV,
        HuberRegressor,
        LogisticRegression,
        LogisticRegressionCV,
        PoissonRegressor,
        QuantileRegressor,
        TweedieRegressor,
        glm_path,
    )
    from fastreg.linear import (
        ElasticNet,
        ElasticNetCV,
        Lasso,
        LassoCV,
        MultiTaskElasticNet,
        MultiTaskElasticNetCV,
        MultiTaskLasso,
        MultiTaskLassoCV,
        Ridge,
        RidgeClassifier,
        RidgeClassifierCV,
        RidgeCV,
        enet_path,
        lasso_path,
    )
    from fastreg.mlp import MLPClassifier, MLPClassifierCV, MLPRegressor, MLPRegressorCV, mlp_path
    from fastreg.penalties import L1, L1L2, L2, MCP, SCAD, SLOPE, Bounds, ExpAbs, GroupL1, MaxNorm, NonNegative
    from fastreg.stability import StabilitySelection

__all__ = [
    "Bounds",
    "ElasticNet",
    "ElasticNetCV",
    "ExpAbs",
    "GammaRegressor",
    "GeneralizedLinearClassifier",
    "GeneralizedLinearClassifierCV",
    "GeneralizedLinearRegressor",
    "GeneralizedLinearRegressorCV",
    "GroupL1",
    "HuberRegressor",
    "L1",
    "L1L2",
    "L2",
    "Lasso",
    "LassoCV",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MCP",
    "MLPClassifier",
    "MLPClassifierCV",
    "MLPRegressor",
    "MLPRegressorCV",
    "MaxNorm",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "NonNegative",
    "PoissonRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SCAD",
    "SLOPE",
    "StabilitySelection",
    "TweedieRegressor",
    "__version__",
    "enet_path",
    "glm_path",
    "lasso_path",
    "mlp_path",
    "show_versions",
]

# where names live that are not in fastreg.linear
_HOMES = {
    "StabilitySelection": "fastreg.stability",
    **dict.fromkeys(["__version__", "show_versions"], "fastreg._versions"),
    **dict.fromkeys(
        [
            "GammaRegressor",
            "GeneralizedLinearClassifier",
            "GeneralizedLinearClassifierCV",
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
        ],
        "fastreg.glm",
    ),
    **dict.fromkeys(["MLPClassifier", "MLPClassifierCV", "MLPRegressor", "MLPRegressorCV", "mlp_path"], "fastreg.mlp"),
    **dict.fromkeys(
        ["L1", "L1L2", "L2", "MCP", "SCAD", "SLOPE", "Bounds", "ExpAbs", "GroupL1", "MaxNorm", "NonNegative"],
        "fastreg.penalties",
    ),
}


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'fastreg' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES.get(name, "fastreg.linear")), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
