"""
What the certificate says
=========================

Every fit carries ``dual_gap_``: no coefficients anywhere have an objective lower by more than that. It needs no second
solver to believe it. Here fits to ever smaller tolerances are held against the best of them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from fastreg import Lasso

X, y = load_diabetes(return_X_y=True)
X = X[:, np.r_[np.arange(10), np.arange(10)]] + 1e-3 * np.random.default_rng(0).standard_normal((len(y), 20))
alpha = 0.01


def objective(model):
    return np.mean((y - model.predict(X)) ** 2) / 2 + alpha * np.abs(model.coef_).sum()


tolerances = np.logspace(-1, -9, 9)
fits = [Lasso(alpha=alpha, tol=tol, max_iter=100_000).fit(X, y) for tol in tolerances]
best = min(objective(model) for model in fits)
null = y.var() / 2  # the objective at 0, which tol refers to

# %%
# The true distance to the optimum never exceeds the certificate, and the certificate never exceeds ``tol``.

distances = np.array([objective(model) - best for model in fits]) / null
gaps = np.array([model.dual_gap_ for model in fits]) / null
assert (distances <= gaps + 1e-12).all()
assert (gaps <= tolerances).all()

fig, ax = plt.subplots()
ax.loglog(tolerances, tolerances, "k:", label="tol")
ax.loglog(tolerances, gaps, "o-", label="certificate")
ax.loglog(tolerances, np.maximum(distances, 1e-16), "s-", label="distance to the best fit")
ax.set(xlabel="tol", ylabel="in units of the objective at 0")
ax.invert_xaxis()
ax.legend()
plt.show()
