"""The quadratic model of a loss on all columns, where a ridge penalty makes none of them 0.

Conjugate gradients leave X̃ as it is. While a step's model is not yet that of the end they need not solve it: each step
leaves a share of what it promised. A logistic regression on 1000 × 3000 takes 0.1 s so, 0.21 by a factor of the n × n
kernel at each step, and 0.47 where each model is solved to the end.
"""

import numpy as np

from fastreg._simd.dispatch import dot

from .newton_model import NewtonBlock
from .semidefinite import conjugate_gradients

COLUMNS = 1500  # from which their Gram matrix costs more
SPARSE = 64  # the same of a sparse X, while conjugate gradients make way
ITERATIONS = 200  # of these, at most
LOOSE = 1e-2  # share of a step's promise that they leave


def is_ridge(penalty):
    """Whether it is L2 alone: smooth, so no column is to be found at 0 or at a bound."""
    return penalty.l1_ratio == 0 and not penalty.bounded


def ridge_block(design, penalty):
    """The model's class for a penalty of L2 alone on many columns, else None."""
    if not is_ridge(penalty):
        return None
    sparse = design.storage.is_sparse
    # tall and dense: a Cholesky factor is worth its price where columns are correlated, see ridge_glm.py
    many = design.p > (SPARSE if sparse else COLUMNS) or design.n < design.p
    return WideBlock if many else None


class WideBlock(NewtonBlock):
    """Conjugate gradients, preconditioned by the diagonal; the intercept drops out by centring on the h-weighted mean.

    Where they make no way and columns are not too many, the Gram matrix after all.
    """

    def minimum(self, h, u, coef, c, alpha, goal, far, near):
        if self.slow and len(coef) <= COLUMNS:
            return super().minimum(h, u, coef, c, alpha, goal, far, near)
        design, H = self.design, float(h.sum())
        U = float(u.sum()) / H if design.fit_intercept else 0.0
        mean = design.xt(h - H * design.weights, self.cols) / H if design.fit_intercept else np.zeros(len(coef))
        l2 = alpha * (1 - self.sub.l1_ratio) * self.sub.factor

        def product(d):
            fit = design.xw(d, self.cols)
            # (X̃ - 1 mean')'v, v of sum 0 but for rounding
            return design.xt(h * (fit - dot(mean, d)), self.cols) + l2 * d

        r = c - H * U * mean - l2 * coef
        diagonal = H * design.sq_norms[self.cols] + l2
        move, solved = conjugate_gradients(product, r, diagonal, 0.1 * goal, ITERATIONS, LOOSE)
        self.slow |= not solved
        return coef + move, U - dot(mean, move)
