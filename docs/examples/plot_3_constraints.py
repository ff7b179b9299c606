"""
What is known beforehand: bounds and unpenalised features
=========================================================

``penalty_factor`` says how much of the penalty each feature bears, ``lower`` and ``upper`` bound its coefficient. Both
belong to the problem that is solved, so that the certificate covers them.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastreg import Lasso

rng = np.random.default_rng(0)
n, p = 100, 30
X = rng.standard_normal((n, p))
truth = np.zeros(p)
truth[:6] = [0.3, 1.0, 0.8, 0.6, 0.4, 0.2]
y = X @ truth + rng.standard_normal(n)

# %%
# All coefficients are known not to be negative, and the first feature to belong to the model.

factor = np.ones(p)
factor[0] = 0
plain = Lasso(alpha=0.1).fit(X, y)
informed = Lasso(alpha=0.1, penalty_factor=factor, lower=0).fit(X, y)
assert (informed.coef_ >= 0).all()
assert informed.coef_[0] > plain.coef_[0]

fig, ax = plt.subplots()
places = np.arange(p)
ax.bar(places - 0.2, plain.coef_, 0.4, label="plain")
ax.bar(places + 0.2, informed.coef_, 0.4, label="informed")
ax.plot(places, truth, "k_", markersize=9, label="truth")
ax.set(xlabel="feature", ylabel="coefficient")
ax.legend()
plt.show()
