"""Coefficients of R's glmnet 4.1.6 at its tightest, on diabetes in its own units, columns standardised."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from fastreg import (
    GeneralizedLinearClassifier,
    GroupL1,
    Lasso,
    LogisticRegression,
    MultiTaskElasticNet,
    PoissonRegressor,
)

# intercept and coefficients, thresh=1e-22
SINGLE = {
    "lasso, lambda=2": "-228.7627772 0 -15.16685983 5.579460063 0.9538362336 -0.07859380182 0 -0.7781678674 0 "
    "44.36173754 0.1472022966",
    "logistic, alpha=0.5, lambda=0.02": "-9.359190372 0 -0.6989262533 0.1305527785 0.03173586415 -0.002072681673 "
    "-0.001307528355 -0.03384892536 0 1.333744589 0",
    "poisson, alpha=0.5, lambda=3": "2.632671356 0 -0.1082969757 0.03386036377 0.006548703431 -0.0002274756794 0 "
    "-0.00655106775 0 0.2730458174 0.0008994007286",
}


@pytest.mark.parametrize("name", SINGLE)
def test_one_output(name):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    same_way = {"standardize": True, "tol": 1e-13}
    if name.startswith("lasso"):
        model = Lasso(alpha=2, **same_way).fit(X, y)
    elif name.startswith("poisson"):
        model = PoissonRegressor(alpha=3, l1_ratio=0.5, **same_way).fit(X, y)
    else:
        model = LogisticRegression(C=1 / (0.02 * len(y)), l1_ratio=0.5, **same_way).fit(X, y > 140)
    found = np.r_[model.intercept_, np.ravel(model.coef_)]
    np.testing.assert_allclose(found, np.array(SINGLE[name].split(), dtype=float), rtol=1e-7, atol=1e-9)


# A row a class or target, intercept first; X and y of load_diabetes(scaled=False):
#   k <- cut(y, c(0, 100, 180, 1000), labels = FALSE); i <- seq_along(y); w <- 1 + (i %% 3) / 2
#   f <- c(0, 2, rep(1, 8)); o <- cbind(sin(i), cos(i), 0); glmnet.control(fdev = 0, devmax = 1)
#   fit <- glmnet(X, k, "multinomial", type.multinomial = "ungrouped", weights = w, penalty.factor = f, offset = o,
#                 alpha = 1, lambda = c(4, 2, 1) * LAMBDA, thresh = 1e-22, maxit = 1e8)
# and, with the fourth column of X as another target, glmnet(X[, -4], cbind(y, X[, 4]), "mgaussian", ...) and f[-4].
# Factors have the mean 1 that glmnet gives them.
LAMBDA = {"ungrouped": 0.02, "ungrouped, alpha=0.5, offset": 0.03, "grouped": 0.03, "grouped, offset": 0.03,
          "mgaussian": 3.0, "mgaussian, alpha=0.5": 4.0}  # fmt: skip
SEVERAL = {
    "ungrouped": """
        7.223730362 -0.0008454479161 0 -0.07410750917 -0.01302994919 0 0 0.02429120921 0 -0.8659628462 0
        1.260104584 0.003393025096 0 0 0 0 0 0 0 0 0
        -8.483834946 -0.00254757718 0 0.1154684551 0.02540816528 0 0 0 0 0.9393465977 0
    """,
    "ungrouped, alpha=0.5, offset": """
        7.818305346 -0.004511750762 0.1166118309 -0.0775471223 -0.01896553453 0 0.001320556498 0.02544726777 0
            -0.9325884576 0
        0.8929543064 0.007492754928 0 0 0 0 0 0 0 0 0
        -8.711259652 -0.002981004166 0 0.1098801415 0.02449424657 0 -1.185753513e-05 0 0 1.023664955 0
    """,
    "grouped": """
        7.285019331 -0.0008265093969 0 -0.08886638042 -0.01737696598 0 0 0.01503041683 0 -0.8815141385 0
        0.9745719626 0.003043890757 0 -0.01070026799 -0.003206418461 0 0 -0.006066295214 0 -0.01767689149 0
        -8.259591294 -0.00221738136 0 0.0995666484 0.02058338444 0 0 -0.008964121615 0 0.8991910299 0
    """,
    "grouped, offset": """
        8.179240244 -0.003636368236 0 -0.090280512 -0.0195034091 0 0 0.01371958446 0 -0.9837091752 0
        0.6594652538 0.006864515256 0 -0.009752557388 -0.00195738879 0 0 -0.006183094951 0 -0.02477434139 0
        -8.838705497 -0.00322814702 0 0.1000330694 0.02146079789 0 0 -0.007536489506 0 1.008483517 0
    """,
    "mgaussian": """
        -213.8948078 0.2085726568 -0.7583565359 6.352085776 -0.02024710709 -0.02956127055 -0.5337513033 0
            45.21659932 0.1391670233
        38.49941531 0.2491851655 0.2426333188 0.6896375407 0.0006979207787 -0.0005071970532 0.004565786835 0
            4.273103122 0.05809399011
    """,
    "mgaussian, alpha=0.5": """
        -50.64989971 0.6022734038 -0.4775680523 2.437361268 0.005872775611 0 -0.400533129 3.420108315 17.3784588
            0.3644074155
        58.70281418 0.2931190898 0.1907056809 0.2555033717 0.002212824526 0 -0.02018285948 0.2145197784
            1.694921381 0.0706946342
    """,
}


def log_loss(raw, k):
    return np.logaddexp.reduce(raw, axis=1) - raw[np.arange(len(k)), k]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_outputs(name):
    """The same coefficients, and no higher an objective."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    k, i = np.digitize(y, [100.5, 180.5]), np.arange(1, len(y) + 1)
    weight, factor = 1 + i % 3 / 2, np.r_[0.0, 2.0, np.ones(8)]
    offset = np.column_stack([np.sin(i), np.cos(i), 0 * i]) if "offset" in name else np.zeros((len(y), 3))
    lam, ratio = LAMBDA[name], 0.5 if "0.5" in name else 1.0
    same_way = {"standardize": True, "tol": 1e-13, "max_iter": 10000}
    if "mgaussian" in name:
        target, X, factor = np.column_stack([y, X[:, 3]]), np.delete(X, 3, axis=1), np.delete(factor, 3)
        model = MultiTaskElasticNet(lam, l1_ratio=ratio, penalty_factor=factor, **same_way).fit(X, target, weight)
    elif "ungrouped" in name:
        C = 1 / (lam * weight.sum())
        model = LogisticRegression(C=C, l1_ratio=ratio, penalty_factor=factor, **same_way).fit(X, k, weight, offset)
    else:  # a group of three coefficients is charged for its size
        penalty = GroupL1(lam / np.sqrt(3))
        model = GeneralizedLinearClassifier(penalty=penalty, penalty_factor=factor, **same_way)
        model.fit(X, k, weight, offset)
    theirs = np.array(SEVERAL[name].split(), dtype=float).reshape(-1, X.shape[1] + 1)
    found = np.column_stack([model.intercept_, model.coef_])
    if "mgaussian" not in name:  # of the feature that nothing is charged on, a shift of all classes changes nothing
        found[:, 1] -= found[:, 1].mean()
    scale = np.sqrt(np.cov(X.T, aweights=weight, ddof=0).diagonal())

    def objective(b):
        raw, W = X @ b[:, 1:].T + b[:, 0], b[:, 1:] * scale
        size = np.abs(W).sum(axis=0) if "ungrouped" in name else np.linalg.norm(W, axis=0)
        loss = 0.5 * ((target - raw) ** 2).sum(axis=1) if "mgaussian" in name else log_loss(raw + offset, k)
        penalty = factor @ (ratio * size + (1 - ratio) / 2 * (W**2).sum(axis=0))
        return np.average(loss, weights=weight) + lam * penalty

    assert objective(found) <= objective(theirs) * (1 + 1e-13)
    close = 1e-8 * np.abs(theirs[:, 1:] * scale).max()
    np.testing.assert_allclose(found[:, 1:] * scale, theirs[:, 1:] * scale, rtol=1e-6, atol=close)
    np.testing.assert_allclose(found[:, 0], theirs[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(found == 0, theirs == 0)
