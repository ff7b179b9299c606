"""The table of estimators: shared tests run every law on every row, and one fails if a row is missing."""

from dataclasses import dataclass, field

from sklearn import linear_model

import fastreg


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

    @property
    def is_cv(self):
        return self.name.endswith("CV")

    @property
    def is_classifier(self):
        return "Classifier" in self.name

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
