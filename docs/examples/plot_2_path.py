"""
Choosing alpha: the path and its cross-validation
=================================================

``rule="min"`` takes the alpha with the smallest cross-validated error, ``rule="1se"`` the largest whose error is within
one standard error of it: a smaller model that the data cannot tell from the best.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from fastreg import LassoCV
from fastreg.display import PathDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
fits = {rule: LassoCV(cv=5, rule=rule, standardize=True).fit(X, y) for rule in ("min", "1se")}
for rule, model in fits.items():
    print(f"{rule}: alpha {model.alpha_:.3g}, {np.count_nonzero(model.coef_)} features")
assert fits["1se"].alpha_ >= fits["min"].alpha_

# %%
# The path, and the error below it.

PathDisplay.from_estimator(fits["1se"], X, y)
plt.show()
