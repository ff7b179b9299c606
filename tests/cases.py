"""The tables of estimators and penalties: shared tests run every law on each row, and one fails if a row is missing."""

from dataclasses import dataclass, field

from sklearn import linear_model

import fastreg
from fastreg.penalties import L1, L1L2, L2, MCP, SCAD, Bounds, ExpAbs, GroupL1, MaxNorm, NonNegative


@dataclass(frozen=True)
class Estimator:
    """A class, scikit-learn's of the same name, and arguments that make a fit quick and not trivial."""

    name: str
    params: dict = field(default_factory=dict)
    multitask: bool = False

    @property
    def ours(self):
        return getattr(fastreg, self.name)

    @property
    def theirs(self):
        return getattr(linear_model, self.name)

    def make(self, **params):
        """Ours, with its arguments and these."""
        return self.ours(**{**self.params, **params})

    @property
    def is_cv(self):
        return self.name.endswith("CV")

    @property
    def is_classifier(self):
        return "Classifier" in self.name or "Logistic" in self.name

    @property
    def is_ridge(self):
        return self.name.startswith("Ridge")

    def __str__(self):
        return self.name


ESTIMATORS = [
    Estimator("Lasso", {"alpha": 0.1}),
    Estimator("ElasticNet", {"alpha": 0.1, "l1_ratio": 0.7}),
    Estimator("LassoCV", {"cv": 3, "eps": 0.03, "alphas": 10}),
    Estimator("ElasticNetCV", {"cv": 3, "eps": 0.03, "alphas": 10, "l1_ratio": [0.4, 0.9]}),
    Estimator("MultiTaskLasso", {"alpha": 0.1}, multitask=True),
    Estimator("MultiTaskElasticNet", {"alpha": 0.1, "l1_ratio": 0.7}, multitask=True),
    Estimator("MultiTaskLassoCV", {"cv": 3, "eps": 0.03, "alphas": 10}, multitask=True),
    Estimator("MultiTaskElasticNetCV", {"cv": 3, "eps": 0.03, "alphas": 10, "l1_ratio": [0.4, 0.9]}, multitask=True),
    Estimator("Ridge", {"alpha": 0.1}),
    Estimator("RidgeCV", {"alphas": [0.1, 1.0]}),
    Estimator("RidgeClassifier", {"alpha": 0.1}),
    Estimator("RidgeClassifierCV", {"alphas": [0.1, 1.0]}),
]

# the estimators of the path solver, which share one objective and all its laws
PATH_ESTIMATORS = [case for case in ESTIMATORS if not case.is_ridge]

# generalised linear models
GLMS = [
    Estimator("LogisticRegression", {"C": 0.5}),
    Estimator(
        "LogisticRegressionCV",
        {"Cs": [0.1, 1.0], "cv": 3, "scoring": "accuracy", "l1_ratios": (0.0,), "use_legacy_attributes": True},
    ),
    Estimator("PoissonRegressor", {"alpha": 0.1}),
    Estimator("GammaRegressor", {"alpha": 0.1}),
    Estimator("TweedieRegressor", {"alpha": 0.1, "power": 1.5}),
]

# linear models of errors that are not squared
ROBUST = [
    Estimator("HuberRegressor", {"alpha": 0.1}),
    Estimator("QuantileRegressor", {"alpha": 0.05, "quantile": 0.4}),
]

# transformers that choose features; scikit-learn has none of their names
SELECTORS = [Estimator("StabilitySelection", {"n_subsamples": 4, "alphas": [0.1, 0.01]})]

# any loss with any penalty; scikit-learn has none such
GENERALIZED = [
    Estimator("GeneralizedLinearRegressor", {"alpha": 0.1}),
    Estimator("GeneralizedLinearRegressorCV", {"cv": 3, "eps": 0.03, "alphas": 5, "l1_ratio": [0.4, 1.0]}),
    Estimator("GeneralizedLinearClassifier", {"alpha": 0.02}),
    Estimator("GeneralizedLinearClassifierCV", {"cv": 3, "eps": 0.03, "alphas": 5, "l1_ratio": [0.4, 1.0]}),
]

# networks; scikit-learn has no cross-validated ones
NETWORKS = [
    Estimator("MLPClassifier", {"hidden_layer_sizes": (8,), "max_iter": 30}),
    Estimator("MLPRegressor", {"hidden_layer_sizes": (8,), "max_iter": 30}),
    Estimator("MLPClassifierCV", {"cv": 2, "alphas": 2, "refine": 1}),
    Estimator("MLPRegressorCV", {"cv": 2, "alphas": 2, "refine": 1}),
]

# penalties on a network's layers; shared laws run on each (strength as for weights of size 1)
PENALTIES = [
    L1(0.3),
    L2(0.7),
    L1L2(0.5, 0.4),
    Bounds(-0.5, 0.8),
    NonNegative(),
    MCP(0.3, 2.5),
    SCAD(0.3, 3.5),
    ExpAbs(0.3),
    GroupL1(0.4),
    GroupL1(0.4, by="feature"),
    GroupL1(0.6, l1_ratio=0.4),
    MaxNorm(1.2),
]
