"""Information criteria along a path, and the degrees of freedom that they count."""

import numpy as np

from fastreg._stages import StagedPath
from fastreg._validation import check_finite_solution
from fastreg.losses import Squared
from fastreg.penalties.slope import FeatureSorted

CRITERIA = ("aic", "bic", "ebic")


def degrees_of_freedom(design, coefs, alphas, penalty, curvatures=None):
    """Degrees of freedom of fits along a path, without the intercept.

    Under L1 alone the coefficients that are neither 0 nor at a bound (Zou, Hastie, Tibshirani, 2007). Where the penalty
    is curved at these, as by an L2 part or a group's norm, the trace of the hat matrix ``X_A (X_A'HX_A + C)^-1 X_A'H``
    with the penalty's second derivatives C (groups: Vaiter, Deledalle, Fadili, Peyré, Dossal, 2017). Both are the sum
    of the slopes of the predictions, each in its own y. MCP and SCAD: the number of coefficients that are not 0
    (Breheny, Huang, 2011), as their concave part is left out. SLOPE: that of their different sizes (Minami, 2020).

    Parameters
    ----------
    design : Design
    coefs : ndarray of shape (n_alphas, n_features)
        In the units of X.
    alphas : ndarray of shape (n_alphas,)
    penalty : FeatureL1L2, FeatureSeparable, FeatureGroups or FeatureSorted
        In the units of X.
    curvatures : list of n_alphas ndarray of shape (n_samples,), optional
        Weighted second derivatives of the loss at each fit; without, those of squared errors, the weights.

    Returns
    -------
    ndarray of shape (n_alphas,)
    """
    df = np.zeros(len(coefs))
    for k, (coef, alpha) in enumerate(zip(coefs, alphas, strict=True)):
        active, curved = _curvature(design, coef, alpha, penalty)
        if not curved.any():
            df[k] = len(active)
            continue
        h = design.weights if curvatures is None else np.maximum(curvatures[k], 0)
        total = h.sum()
        G, mean = design.reweighted(h / total, active)
        if design.fit_intercept:
            G = G - np.outer(mean, mean)
        G = total * G
        df[k] = np.trace(np.linalg.lstsq(G + curved, G, rcond=1e-12)[0])
    return df


def _curvature(design, coef, alpha, penalty):
    """Columns that move freely, of SLOPE one of each cluster, and the penalty's second derivatives there."""
    if isinstance(penalty, FeatureSorted):
        size = np.abs(coef * design.scale)
        order = np.argsort(-size, kind="stable")[: np.count_nonzero(size)]
        apart = np.diff(size[order], prepend=np.inf) < -1e-9 * size[order]
        return order[apart], np.zeros(1)
    if not penalty.composite:
        active = np.flatnonzero((coef != 0) & (coef > penalty.lower) & (coef < penalty.upper))
        return active, np.diag(alpha * (1 - penalty.l1_ratio) * penalty.factor[active])
    active, _, curved = penalty.scaled(design.scale).face(coef * design.scale, alpha)
    curved = curved if curved.ndim == 2 else np.diag(np.maximum(curved, 0))
    inside = (coef[active] > penalty.lower[active]) & (coef[active] < penalty.upper[active])
    return active[inside], curved[np.ix_(inside, inside)]


def information_criterion(deviance, df, n, p, rule):
    """AIC, BIC or extended BIC (Chen and Chen, 2008, gamma = 1); smaller is better.

    Parameters
    ----------
    deviance : ndarray
        -2 times the log-likelihood, but for a constant.
    df : ndarray
    n : float
        Number of rows: the sum of their weights.
    p : int
        Number of features that might be in the model.
    rule : {'aic', 'bic', 'ebic'}

    Returns
    -------
    ndarray
    """
    each = 2.0 if rule == "aic" else np.log(n) + (2 * np.log(p) if rule == "ebic" else 0.0)
    return deviance + each * df


def criteria(design, y, solve, alphas, penalties, rule, *, loss=None, offset=None):
    """An information criterion along paths of all rows.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n_samples,)
        Class numbers, for the softmax loss.
    solve : callable
        ``solve(alphas, penalty)`` returns the Path, or the StagedPath: its weights are taken as given, and of a relaxed
        fit the refit's coefficients count as well.
    alphas : ndarray of shape (n_penalties, n_alphas)
        Decreasing in every row.
    penalties : list of FeatureL1L2 and the like
        In the units of X.
    rule : {'aic', 'bic', 'ebic'}
    loss : Loss, optional
        Whose double is a deviance of known dispersion. None is squared errors, whose variance is estimated along the
        path: ``n log(mse)`` is their deviance. Degrees of freedom of several classes are added up, an approximation,
        but for groups that hold all classes.
    offset : ndarray of shape (n_samples,), optional
        For one raw prediction a row.

    Returns
    -------
    criterion, df : ndarray of shape (n_penalties, n_alphas)
        The criterion of squared errors is inf with more than n / 2 degrees of freedom: errors then say nothing of the
        variance.
    coefs : list of ndarray of shape (n_alphas, n_features) or (n_alphas, n_classes, n_features)

    Raises
    ------
    ValueError
        A fit overflowed.
    """
    n, p = design.total_weight, max(1, int((design.sq_norms > 0).sum()))
    values, df, coefs = np.full(alphas.shape, np.inf), np.empty(alphas.shape), []
    for i, (grid, penalty) in enumerate(zip(alphas, penalties, strict=True)):
        with np.errstate(all="ignore"):  # overflow shows in the result
            path = solve(grid, penalty)
        W = path.dense_coefs()
        check_finite_solution(W, path.intercepts)
        staged = isinstance(path, StagedPath)
        if loss is None and not staged:
            inner = penalty.scaled(design.scale)
            charges = [inner.value(w * design.scale, alpha) for w, alpha in zip(W, grid, strict=True)]
            losses, at = path.primals - charges, [(None, None)] * len(grid)
        else:
            losses, at = _at_fits(design, loss or Squared(), y, W, path.intercepts, offset)
        fits = (path.penalised.coefs, path.penalties) if staged else (W, [penalty] * len(grid))
        df[i] = [_count(design, *fit, *where) for *fit, where in zip(*fits, grid, at, strict=True)]
        if staged and path.relax < 1:
            df[i] = path.relax * df[i] + (1 - path.relax) * _free(path.penalised.coefs)
        some = np.ones(len(grid), dtype=bool)
        if loss is None:
            some = (df[i] <= 0.5 * n) & (losses > 1e-14 * path.null)
            deviance = n * np.log(2 * losses[some])
        else:
            deviance = 2 * n * losses
        values[i, some] = information_criterion(deviance, df[i, some], n, p * W[0].size // design.p, rule)
        coefs.append(W)
    return values, df, coefs


def _at_fits(design, loss, y, coefs, intercepts, offset):
    """Mean losses of the fits of a path, and (second derivatives in each raw prediction, means) of each."""
    losses, at = [], []
    for w, b in zip(coefs, intercepts, strict=True):
        raw = np.ascontiguousarray(design.raw(w, b))
        raw = raw if offset is None else raw + offset
        value, _, curvature = loss(raw, y, design.weights)
        losses.append(value)
        at.append((curvature, loss.predict(raw)))
    return np.array(losses), at


def _count(design, coef, penalty, alpha, curvature, mean):
    """Degrees of freedom of one fit, (p,) or (n_classes, p)."""
    if coef.ndim == 2 and penalty.composite:
        return _joint(design, coef, alpha, penalty, mean)
    curvatures = [None] if coef.ndim == 1 and curvature is None else np.atleast_2d(curvature.T)
    return sum(
        degrees_of_freedom(design, w[None], [alpha], penalty, None if h is None else [np.ascontiguousarray(h)])[0]
        for w, h in zip(np.atleast_2d(coef), curvatures, strict=True)
    )


def _free(coefs):
    """Coefficients of refits without a penalty; those of classes are free but for a shift of all."""
    if coefs.ndim == 2:
        return (coefs != 0).sum(axis=1)
    return (coefs.shape[1] - 1) * coefs.any(axis=1).sum(axis=1)


def _joint(design, coef, alpha, groups, proba):
    """Those of all coefficients (n_classes, p) under groups that hold all classes: the trace of the hat matrix.

    The blocks of its curvature are ``X_k's(p_k [k = l] - p_k p_l)X_l``; intercepts take K - 1 of the trace.
    """
    K, p = coef.shape
    used, _, curved = groups.across(K).face((coef * design.scale).ravel(), alpha)
    if not len(used):
        return 0.0
    klass, cols = np.divmod(used, p)
    free = K if design.fit_intercept else 0
    klass = np.append(klass, np.arange(free))
    Z = np.column_stack([design.take(cols), np.ones((design.n, free))])
    P = proba[:, klass]
    H = np.where(klass[:, None] == klass, Z.T @ (design.weights[:, None] * P * Z), 0.0)
    H -= (P * Z).T @ (design.weights[:, None] * P * Z)
    C = np.zeros_like(H)
    C[: len(used), : len(used)] = curved
    return np.trace(np.linalg.lstsq(H + C, H, rcond=1e-12)[0]) - max(free - 1, 0)
