"""scikit-learn's least angle regression: exact, and at its best on small ill-conditioned data."""

import numpy as np
from sklearn.linear_model import LassoLars, lars_path

from . import Rival


def single(X, y, problem, tol):
    model = LassoLars(alpha=problem.alpha, fit_intercept=problem.fit_intercept, max_iter=100_000).fit(X, y)
    return model.coef_, model.intercept_


def path(X, y, problem, tol):
    # The path is linear between its kinks, so reading it off at the alphas asked is exact.
    kinks, _, coefs = lars_path(X, y, method="lasso", alpha_min=problem.alphas[-1], max_iter=100_000)
    right = np.clip(np.searchsorted(-kinks, -problem.alphas), 1, len(kinks) - 1)
    share = (kinks[right - 1] - problem.alphas) / (kinks[right - 1] - kinks[right])
    return ((1.0 - share) * coefs[:, right - 1] + share * coefs[:, right]).T, 0.0


LARGE = ("L1", "L1path", "L2a", "L2b", "L2path", "L3", "L3path", "L4a", "L4b", "L4c")
RIVALS = [
    Rival(
        "lars", "scikit-learn", "sklearn.linear_model", {"single": single, "path": path},
        {"default": (None,)}, skips=dict.fromkeys(LARGE, "for small data only"),
    ),
]  # fmt: skip
