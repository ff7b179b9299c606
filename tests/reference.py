"""Plain NumPy twins: the same mathematics in a few lines, slow and obviously right.

The compiled code is compared with these, and the solvers written in Python can run on `PlainDesign`
in place of `fastreg.design.Design`. Everything here is dense, copies freely and works in float64.
"""

from types import SimpleNamespace

import numpy as np
from scipy import sparse


class PlainDesign:
    """Twin of `fastreg.design.Design`: keeps X̃, the centred and scaled X, as one dense array.

    Parameters
    ----------
    X : array or sparse of shape (n, p)
    sample_weight : None or array-like of shape (n,)
        Raw weights, not all zero.
    fit_intercept : bool
        Centre the columns at their weighted means.
    standardize : bool
        Divide the columns by their weighted standard deviations (without an intercept: by their root mean
        squares); constant columns stay.
    """

    def __init__(self, X, sample_weight=None, *, fit_intercept=True, standardize=False):
        self.X = X
        X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
        self.n, self.p = X.shape
        raw = np.ones(self.n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.total_weight = float(raw.sum())
        self.weights = raw / self.total_weight
        self.fit_intercept, self.standardize = fit_intercept, standardize
        mean = self.weights @ X
        centred = X - mean
        centred -= self.weights @ centred  # a second time: |mean| >> sd
        centred[:, np.ptp(X[raw > 0], axis=0) == 0.0] = 0.0
        self.mean = mean if fit_intercept else np.zeros(self.p)
        self.tilde = centred if fit_intercept else X
        size = np.sqrt(self.weights @ self.tilde**2)
        self.scale = np.where(size > 0, size, 1.0) if standardize else np.ones(self.p)
        self.tilde = self.tilde / self.scale
        self.sq_norms = self.weights @ self.tilde**2

    def xt_r(self, R):
        """X̃' (s∘R)."""
        return self.tilde.T @ (self.weights * R.T).T

    def xw(self, W, cols=None):
        """X̃[:, cols] @ W."""
        return (self.tilde if cols is None else self.tilde[:, cols]) @ W

    def gram(self, cols=None, other=None, rows=None):
        """X̃[rows, cols]' diag(s) X̃[rows, other]."""
        rows = slice(None) if rows is None else rows
        left = (self.tilde if cols is None else self.tilde[:, cols])[rows]
        right = left if other is None else self.tilde[rows][:, other]
        return np.ascontiguousarray(left.T @ (self.weights[rows, None] * right))

    def row_gram(self, col_weights=None):
        """diag(s)^½ X̃ diag(col_weights) X̃' diag(s)^½."""
        root = np.sqrt(self.weights)[:, None] * self.tilde
        return (root if col_weights is None else root * col_weights) @ root.T

    def panels(self, rows=64):
        """Yield (start, stop, block): that many rows of X̃ at a time."""
        for start in range(0, self.n, rows):
            stop = min(start + rows, self.n)
            yield start, stop, self.tilde[start:stop].copy()

    def center(self, y):
        """(y - weighted mean, weighted mean), the mean being 0 without an intercept."""
        y = np.array(y, dtype=np.float64)
        mean = self.weights @ y if self.fit_intercept else np.zeros(y.shape[1:])[()]
        return y - mean, mean

    def average(self, y):
        """Weighted mean of y."""
        return self.weights @ y

    def bind(self, y, gram=False):
        """`center` and X̃' (s∘y) in one call."""
        centred, mean = self.center(y)
        return centred, mean, self.xt_r(centred)

    def unscale(self, coef, y_mean):
        """Coefficients in original units, and the intercept."""
        coef = coef / self.scale
        return coef, y_mean - coef @ self.mean


def objective(design, y, coef, intercept, l1=0.0, l2=0.0):
    """P(w, b) of one target, in the units the solvers use; `coef` and `intercept` in original units."""
    w = np.asarray(coef) * design.scale
    centred, mean = design.center(y)
    shift = mean - (intercept + np.asarray(coef) @ design.mean)
    residual = centred + shift - design.xw(w)
    return 0.5 * design.weights @ residual**2 + np.sum(l1 * np.abs(w) + 0.5 * l2 * w * w)


def ridge(X, y, alpha, sample_weight=None, factor=None, *, fit_intercept=True):
    """Ridge by least squares on rows extended with the penalty: (coef, intercept), y of shape (n,) or (n, T).

    The intercept is one more, unpenalised, column, so neither centring nor the normal equations are involved.
    """
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
    n, p = X.shape
    root = np.ones(n) if sample_weight is None else np.sqrt(np.asarray(sample_weight, dtype=np.float64))
    factor = np.ones(p) if factor is None else np.asarray(factor, dtype=np.float64)
    left = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    penalty = np.diag(np.sqrt(alpha * factor))
    penalty = np.column_stack([penalty, np.zeros(p)]) if fit_intercept else penalty
    right = np.asarray(y, dtype=np.float64)
    solution = np.linalg.lstsq(
        np.vstack([root[:, None] * left, penalty]),
        np.concatenate([(root * right.T).T, np.zeros((p, *right.shape[1:]))]),
        rcond=1e-15,
    )[0]
    coef, intercept = (solution[:-1], solution[-1]) if fit_intercept else (solution, 0.0)
    return coef.T, intercept


def ridge_objective(X, y, coef, intercept, alpha, weight=None, factor=None):
    """What `Ridge` documents, one number a target."""
    weight = np.ones(len(X)) if weight is None else weight
    factor = np.ones(X.shape[1]) if factor is None else factor
    residual = y - X @ np.asarray(coef).T - intercept
    return weight @ residual**2 + alpha * np.sum(factor * np.asarray(coef) ** 2, axis=-1)


def leave_one_out(X, y, alpha, sample_weight=None, factor=None, *, fit_intercept=True):
    """Leave-one-out predictions of ridge by n refits; y of shape (n,) or (n, T)."""
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)
    predictions = np.empty(np.shape(y))
    for i in range(len(X)):
        keep = np.arange(len(X)) != i
        weight = None if sample_weight is None else sample_weight[keep]
        coef, intercept = ridge(X[keep], y[keep], alpha, weight, factor, fit_intercept=fit_intercept)
        predictions[i] = coef @ X[i] + intercept
    return predictions


def coordinate_descent(design, y, alpha, l1_ratio=1.0, factor=None, lower=None, upper=None, sweeps=5000):
    """Cyclic coordinate descent, one target: coef and intercept in original units, and the last step."""
    factor = np.ones(design.p) if factor is None else factor
    lower = np.full(design.p, -np.inf) if lower is None else np.broadcast_to(lower, design.p) * design.scale
    upper = np.full(design.p, np.inf) if upper is None else np.broadcast_to(upper, design.p) * design.scale
    l1, l2 = alpha * l1_ratio * factor, alpha * (1 - l1_ratio) * factor
    residual, y_mean = design.center(y)
    w = np.zeros(design.p)
    step = 0.0
    for _ in range(sweeps):
        step = 0.0
        for j in np.flatnonzero(design.sq_norms > 0):
            column = design.tilde[:, j]
            gradient = column @ (design.weights * residual) + design.sq_norms[j] * w[j]
            new = np.sign(gradient) * max(abs(gradient) - l1[j], 0.0) / (design.sq_norms[j] + l2[j])
            new = min(max(new, lower[j]), upper[j])
            residual -= (new - w[j]) * column
            step = max(step, abs(new - w[j]) * np.sqrt(design.sq_norms[j]))
            w[j] = new
        if step <= 1e-15 * np.sqrt(max(design.weights @ np.square(y), 1e-300)):
            break
    coef, intercept = design.unscale(w, y_mean)
    return SimpleNamespace(coef=coef, intercept=intercept, step=step)


def problem(n, p, targets=None, seed=0, weighted=False, free=0):
    """X with means and scales, y, weights (one of them 0) or None, factor with `free` zeros or None."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 2, p) + 3
    y = rng.standard_normal((n,) if targets is None else (n, targets)) + X[:, :1].reshape(n, *[1] * bool(targets))
    weight = factor = None
    if weighted:
        weight = rng.uniform(0.1, 2, n)
        weight[0] = 0.0 if n > 1 else 2.0
    if free and p > free:
        factor = rng.uniform(0.5, 2, p)
        factor[:free] = 0.0
    return X, y, weight, factor


def block_coordinate_descent(design, Y, alpha, l1_ratio=1.0, factor=None, sweeps=2000):
    """The multi-task twin of `coordinate_descent`: rows of coefficients shrink together; coef (T, p)."""
    factor = np.ones(design.p) if factor is None else factor
    l1, l2 = alpha * l1_ratio * factor, alpha * (1 - l1_ratio) * factor
    residual, y_mean = design.center(Y)
    W = np.zeros((design.p, residual.shape[1]))
    for _ in range(sweeps):
        step = 0.0
        for j in np.flatnonzero(design.sq_norms > 0):
            column = design.tilde[:, j]
            pull = (design.weights * column) @ residual + design.sq_norms[j] * W[j]
            size = np.linalg.norm(pull)
            new = pull * (max(size - l1[j], 0.0) / size if size > 0 else 0.0) / (design.sq_norms[j] + l2[j])
            residual -= np.outer(column, new - W[j])
            step = max(step, np.linalg.norm(new - W[j]) * np.sqrt(design.sq_norms[j]))
            W[j] = new
        if step <= 1e-15 * np.sqrt(max(np.sum(design.weights @ np.square(Y)), 1e-300)):
            break
    coef, intercept = design.unscale(W.T, y_mean)
    return SimpleNamespace(coef=coef, intercept=intercept, step=step)


def multitask_objective(design, Y, coef, intercept, l1, l2):
    """P(W, b) of all targets together; coef (T, p) and intercept (T,) in original units."""
    norms = np.linalg.norm(coef * design.scale, axis=0)
    fits = sum(objective(design, Y[:, t], coef[t], intercept[t]) for t in range(Y.shape[1]))
    return fits + np.sum(l1 * norms + 0.5 * l2 * norms**2)


def conjugate(v, l1, l2, lower, upper):
    """sup over lower <= w <= upper of v w - l1 |w| - l2/2 w², element by element."""
    pull = np.sign(v) * np.maximum(np.abs(v) - l1, 0.0)
    end = np.where(pull > 0, upper, np.where(pull < 0, lower, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.where(l2 > 0, np.clip(pull / l2, lower, upper), end)
        return np.where(pull == 0, 0.0, v * w - l1 * np.abs(w) - 0.5 * l2 * w * w)


def lower_bound(design, y, coef, l1, l2, lower=-np.inf, upper=np.inf, scales=400):
    """A number that no coefficients' objective can be below: the best of many dual points along one ray.

    The ray is the residual of `coef`, made orthogonal to columns that nothing holds.
    """
    l1, l2 = np.broadcast_to(l1, design.p), np.broadcast_to(l2, design.p)
    lower, upper = np.broadcast_to(lower, design.p) * design.scale, np.broadcast_to(upper, design.p) * design.scale
    centred, _ = design.center(y)
    residual = centred - design.xw(np.asarray(coef) * design.scale)
    residual -= design.weights @ residual if design.fit_intercept else 0.0
    free = (l1 == 0) & (l2 == 0) & np.isinf(lower) & np.isinf(upper)
    if free.any():
        root = np.sqrt(design.weights)
        basis, sizes, _ = np.linalg.svd(root[:, None] * design.tilde[:, free], full_matrices=False)
        basis = basis[:, sizes > 1e-13 * max(sizes.max(), 1e-300)]
        residual = residual - np.divide(basis @ (basis.T @ (root * residual)), root, out=0 * root, where=root > 0)
    v = design.xt_r(residual)
    v[free] = 0.0
    size, cross = design.weights @ residual**2, design.weights @ (centred * residual)
    if free.any() and size <= 1e-24 * (design.weights @ centred**2):
        return 0.0  # what is left is rounding, not orthogonal to anything
    # where only a bound on the other side holds a column, v is 0 but for rounding
    tiny = (l1 == 0) & (l2 == 0) & (np.abs(v) < 1e-9 * np.sqrt(design.sq_norms) * np.sqrt(design.weights @ centred**2))
    limit = 1.0 if np.any(v[tiny] != 0) else np.inf  # which must not be blown up
    v[tiny] = 0.0
    unheld = (l2 == 0) & np.where(v > 0, np.isinf(upper), np.isinf(lower)) & (v != 0)
    top = min(np.min(l1[unheld] / np.abs(v[unheld]), initial=limit), 2 * max(cross, 0.0) / max(size, 1e-300))
    best = 0.0
    inside = np.min(l1[(v != 0)] / np.abs(v[v != 0]), initial=1.0)  # with little l2 the best is about there
    for scale in [*np.linspace(0, 1, scales + 1) * top, min(1.0, top), min(inside, top)]:
        held = np.where(unheld, 0.0, conjugate(scale * v, l1, l2, lower, upper))
        best = max(best, scale * cross - 0.5 * scale**2 * size - held.sum())
    return best


def proximal_gradient(loss, X, y, weights, penalty, alpha, *, fit_intercept=True, offset=0.0, steps=3000):
    """Objective reached by accelerated prox-gradient steps with backtracking, from 0: any loss with any convex penalty.

    `penalty` has `value(w, alpha)` and `prox(z, step, alpha)`; `weights` sum to 1. Nothing is charged on the intercept.
    """
    p = X.shape[1]
    left = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X

    def at(w):
        return loss(left @ w + offset, y, weights)[:2]

    w = z = np.zeros(left.shape[1])
    step, t = 1.0, 1.0
    best = at(w)[0] + penalty.value(w[:p], alpha)
    for _ in range(steps):
        value, gradient = at(z)
        slope = left.T @ gradient
        while True:
            new = z - step * slope
            new[:p] = penalty.prox(new[:p], step, alpha)
            d = new - z
            if at(new)[0] <= value + slope @ d + d @ d / (2 * step) + 1e-15 * abs(value) or step < 1e-12:
                break
            step /= 2
        later = (1 + np.sqrt(1 + 4 * t * t)) / 2
        z, w, t = (new + (t - 1) / later * (new - w), new, later) if (z - new) @ (new - w) <= 0 else (new, new, 1.0)
        best = min(best, at(w)[0] + penalty.value(w[:p], alpha))
        step *= 1.1
    return best
