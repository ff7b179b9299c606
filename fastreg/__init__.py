"""fastreg: regularised regression behind scikit-learn's API, with a certificate of optimality for every fit.

Names are loaded when they are first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastreg._versions import __version__, show_versions
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
    "__version__",
    "enet_path",
    "lasso_path",
    "show_versions",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'fastreg' has no attribute {name!r}")
    home = "fastreg._versions" if name in ("__version__", "show_versions") else "fastreg.linear"
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
