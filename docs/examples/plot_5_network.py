"""
A large network made small
==========================

A network is trained, then charged more and more for its weights, each step from the weights of the last. Zeros are
exact, so neurons without weights can be left out, and the small network predicts what the large one does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastreg import MLPClassifier, mlp_path

X, y = load_digits(return_X_y=True)
X, X_val, y, y_val = train_test_split((X / 16).astype(np.float32), y, stratify=y, random_state=0)

model = MLPClassifier(
    (128, 64), penalty="l1", learning_rate="cosine", learning_rate_init=0.003, max_iter=40, random_state=0
)
path = mlp_path(model, X, y, alphas=np.logspace(-5, -2, 7), X_val=X_val, y_val=y_val)
for alpha, score, used in zip(path.alphas, path.validation_scores, path.n_non_zeros.sum(axis=1)):
    print(f"alpha {alpha:.1e}: {used} weights, accuracy {score:.3f}")
assert path.n_non_zeros[-1].sum() < path.n_non_zeros[0].sum() / 10

# %%
# The strongest penalty within a percent of the best score, without its dead parts.

good = np.flatnonzero(path.validation_scores >= path.validation_scores.max() - 0.01)[-1]
chosen = path.estimators[good]
small = chosen.compact()
print(chosen.size())
print(small.size(), "layers:", [W.shape[1] for W in small.coefs_], "pixels:", len(small.used_features_))
assert np.allclose(small.predict_proba(X_val), chosen.predict_proba(X_val), atol=1e-4)

fig, ax = plt.subplots()
ax.semilogx(path.n_non_zeros.sum(axis=1), path.validation_scores, "o-")
ax.axvline(path.n_non_zeros[good].sum(), color="k", linestyle=":", label="chosen")
ax.set(xlabel="weights that are not 0", ylabel="accuracy on the held-out rows")
ax.invert_xaxis()
ax.legend()
plt.show()
