"""
Sparse features, an exact intercept
===================================

Sparse X stays sparse: centring for the intercept costs one number, and no column is ever filled. The path is kept
without its zeros on request.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

from fastreg import Lasso, lasso_path

rng = np.random.default_rng(0)
rows, cols = rng.integers(1000, size=50_000), rng.integers(5000, size=50_000)
X = sparse.coo_array((rng.random(50_000), (rows, cols)), shape=(1000, 5000)).tocsc()
truth = np.zeros(5000)
truth[:20] = rng.choice([-2.0, 2.0], 20)
y = X @ truth + 0.1 * rng.standard_normal(1000) + 7

alphas, coefs, gaps = lasso_path(X, y, alphas=30, eps=0.05, fit_intercept=True, tol=1e-6, dense_output=False)
print(f"{coefs.nnz} coefficients are not 0, of {coefs.shape[0]} features at {coefs.shape[1]} alphas")

# %%
# One alpha, and the same from the dense array.

model = Lasso(alpha=alphas[15], tol=1e-8).fit(X, y)
dense = Lasso(alpha=alphas[15], tol=1e-8).fit(X.toarray(), y)
assert np.allclose(model.predict(X), dense.predict(X), atol=1e-3)

fig, ax = plt.subplots()
ax.semilogx(alphas, np.diff(coefs.tocsc().indptr), "o-")
ax.axhline(20, color="k", linestyle=":", label="truth")
ax.set(xlabel="alpha", ylabel="coefficients that are not 0")
ax.invert_xaxis()
ax.legend()
plt.show()
