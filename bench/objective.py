"""The one judge: how far from the optimum are these coefficients?

Everything is float64 and is computed from the returned coefficients and intercept alone; what a solver says
about itself is never used. With v = X'r/n and r the residual (centred when an intercept is fitted, because
the dual point has to be orthogonal to the constant),

    P(w, b) = ||y - Xw - b||^2 / 2n + l1 ||w||_1 + l2/2 ||w||^2
    D(s r)  = s <y, r>/n - s^2 ||r||^2 / 2n - sum_j (|s v_j| - l1)_+^2 / (2 l2)

(l2 = 0: the last sum becomes the constraint |s v_j| <= l1). D is maximised over the scale s exactly: it is
concave and piecewise quadratic. The figure reported is (P - D) / P(0), P(0) being the objective of the best
constant (of zero, without an intercept). Multi-task problems replace |w_j| and |v_j| by the norms of the
rows.

The bound is the textbook Fenchel dual (Boyd and Vandenberghe, Convex Optimization, 5.2).
"""

import numpy as np
from scipy.special import entr, expit, logsumexp, softmax, xlogy


def _best_scale(linear, quadratic, scores, l1, l2):
    """Maximise the dual over the scale of the dual point.

    Parameters
    ----------
    linear, quadratic : float
        <y, r>/n and <r, r>/n.
    scores : ndarray of shape (p,)
        |v_j|, or the norm of row j of v for several targets.
    l1, l2 : float
        Strengths of the two penalties.

    Returns
    -------
    float
        The largest dual value along the ray.
    """
    linear = abs(linear)  # the sign of the scale is free
    if quadratic <= 0.0:
        return 0.0
    if l2 <= 0.0:
        top = scores.max(initial=0.0)
        scale = linear / quadratic
        if top > 0.0:
            scale = min(scale, l1 / top)
        return scale * linear - 0.5 * scale**2 * quadratic
    # Descending scores are ascending kinks l1 / score; between two kinks the derivative is a line.
    ordered = np.sort(scores[scores > 0.0])[::-1]
    first = np.concatenate(([0.0], np.cumsum(ordered)))
    second = np.concatenate(([0.0], np.cumsum(ordered**2)))
    kinks = l1 / ordered
    slope_at_kinks = linear - kinks * quadratic - (kinks * second[1:] - l1 * first[1:]) / l2
    past = int(np.count_nonzero(slope_at_kinks > 0.0))
    scale = (linear + l1 * first[past] / l2) / (quadratic + second[past] / l2)
    excess = np.maximum(scale * scores - l1, 0.0)
    return scale * linear - 0.5 * scale**2 * quadratic - excess @ excess / (2.0 * l2)


def relative_gaps(X, y, coefs, intercepts, l1, l2, *, fit_intercept, block=32):
    """Relative duality gap of each solution of a path (a single fit is a path of one).

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
    coefs : ndarray or sparse array of shape (K, p)
    intercepts : array-like of shape (K,) or float
    l1, l2 : array-like of shape (K,)
        Strengths: alpha * l1_ratio and alpha * (1 - l1_ratio).
    fit_intercept : bool
        Whether the problem has a free intercept.
    block : int
        Solutions judged together; bounds the memory.

    Returns
    -------
    ndarray of shape (K,)
        (P - D) / P(0), or inf where a coefficient is not finite.
    """
    n = X.shape[0]
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    coefs = np.atleast_2d(coefs).astype(np.float64)
    y = np.asarray(y, dtype=np.float64)
    intercepts = np.broadcast_to(np.asarray(intercepts, dtype=np.float64).ravel(), (len(coefs),))
    l1, l2 = np.broadcast_to(l1, len(coefs)), np.broadcast_to(l2, len(coefs))
    if coefs.shape[1] != X.shape[1]:
        raise ValueError(f"coefs has {coefs.shape[1]} columns, X has {X.shape[1]}")
    centred = y - y.mean() if fit_intercept else y
    null = centred @ centred / (2.0 * n)
    gaps = np.full(len(coefs), np.inf)
    good = np.isfinite(coefs).all(axis=1) & np.isfinite(intercepts)
    if not fit_intercept and np.any(intercepts != 0.0):
        raise ValueError("an intercept came back from a problem without one")
    for start in range(0, len(coefs), block):
        rows = [k for k in range(start, min(start + block, len(coefs))) if good[k]]
        if not rows:
            continue
        residual = y[:, None] - np.asarray(X @ coefs[rows].T) - intercepts[rows]
        primal = np.einsum("ik,ik->k", residual, residual) / (2.0 * n)
        primal += l1[rows] * np.abs(coefs[rows]).sum(axis=1) + 0.5 * l2[rows] * (coefs[rows] ** 2).sum(axis=1)
        if fit_intercept:
            residual -= residual.mean(axis=0)
        scores = np.abs(np.asarray(X.T @ residual)) / n
        for i, k in enumerate(rows):
            r = residual[:, i]
            dual = _best_scale(centred @ r / n, r @ r / n, scores[:, i], l1[k], l2[k])
            gaps[k] = (primal[i] - dual) / null
    return gaps


def _balanced(u):
    """A residual with what is positive or what is negative scaled down, so that it sums to 0."""
    up, down = u[u > 0].sum(), -u[u < 0].sum()
    return np.where(u > 0, u * min(1.0, down / up), u * min(1.0, up / down))


def _dual_penalty(scores, l1, l2):
    """(scale of the dual point, what the penalty takes off the dual value there) for scores |v_j|."""
    if l2 > 0:
        return 1.0, (np.maximum(scores - l1, 0.0) ** 2).sum() / (2.0 * l2)
    return min(1.0, l1 / max(scores.max(), 1e-300)), 0.0


def logistic_gap(X, y, coef, intercept, l1, l2, *, fit_intercept):
    """Relative duality gap of one logistic fit: (P - D) / P(0), P the mean log-loss and the penalty, y of 0 and 1.

    The dual point is s times the residual u = y - sigmoid(Xw + b); with an intercept each class's u are first scaled
    down to the sums of the other, so that they sum to 0. D = mean H(y - s u) - sum_j (|s v_j| - l1)_+^2 / (2 l2) with
    H the binary entropy; without l2, s is what makes |s v_j| <= l1.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
    coef : ndarray of shape (p,)
    intercept, l1, l2 : float
    fit_intercept : bool

    Returns
    -------
    float
        inf where a coefficient is not finite.
    """
    n = len(y)
    coef, intercept = np.asarray(coef, dtype=np.float64).ravel(), float(np.ravel(intercept)[0])
    if not (np.isfinite(coef).all() and np.isfinite(intercept)):
        return np.inf
    raw = np.asarray(X @ coef) + intercept
    share = y.mean() if fit_intercept else 0.5
    null = float(entr(share) + entr(1.0 - share))
    primal = np.mean(np.logaddexp(0.0, raw) - y * raw) + l1 * np.abs(coef).sum() + 0.5 * l2 * (coef**2).sum()
    u = y - expit(raw)
    if fit_intercept:
        u = _balanced(u)
    scale, charge = _dual_penalty(np.abs(np.asarray(X.T @ u)) / n, l1, l2)
    dual = np.mean(entr(y - scale * u) + entr(1.0 - y + scale * u)) - charge
    return float((primal - dual) / null)


def multinomial_gap(X, y, coef, intercept, l1, l2, *, fit_intercept):
    """Relative duality gap of one multinomial fit: (P - D) / P(0), P the mean cross-entropy and the penalty.

    The dual point is s times the residuals U = onehot(y) - softmax(XW' + b), with the b that gives U columns of sum 0
    where there is an intercept (found by proportional fitting). D is the mean entropy of onehot(y) - s U, less the
    penalty's part as in `logistic_gap`.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
        Class numbers.
    coef : ndarray of shape (K, p)
    intercept : ndarray of shape (K,)
    l1, l2 : float
    fit_intercept : bool

    Returns
    -------
    float
        inf where a coefficient is not finite.
    """
    n, coef, truth = len(y), np.asarray(coef, dtype=np.float64), np.asarray(y, dtype=np.intp)
    rows = np.arange(n)
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return np.inf
    linear = np.asarray(X @ coef.T)
    raw = linear + np.ravel(intercept)
    loss = np.mean(logsumexp(raw, axis=1) - raw[rows, truth])
    primal = loss + l1 * np.abs(coef).sum() + 0.5 * l2 * (coef**2).sum()
    share = np.bincount(truth, minlength=len(coef)) / n
    for _ in range(1000 if fit_intercept else 0):
        step = np.log(share) - np.log(softmax(raw, axis=1).mean(axis=0))
        raw += step
        if np.abs(step).max() < 1e-14:
            break
    U = -softmax(raw, axis=1)
    U[rows, truth] += 1.0
    scale, charge = _dual_penalty(np.abs(np.asarray(X.T @ U)) / n, l1, l2)
    z = -scale * U
    z[rows, truth] += 1.0
    dual = entr(np.maximum(z, 0.0)).sum() / n - charge
    null = entr(share).sum() if fit_intercept else np.log(len(coef))
    return float((primal - dual) / null)


def log_link_gap(family, X, y, coef, intercept, l1, l2, *, fit_intercept):
    """Relative duality gap of one Poisson or Gamma fit with mean exp(raw): P is half the mean deviance and the penalty.

    The dual point is made as in `logistic_gap` from the residual u = y - mu (Gamma: y / mu - 1). With z = y - s u
    (Gamma: 1 + s u) the dual is -mean of z log z - y log y + s u (Gamma: z log z - s u (1 + log y)), less the
    penalty's part.

    Parameters
    ----------
    family : {'poisson', 'gamma'}
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    coef : ndarray of shape (p,)
    intercept, l1, l2 : float
    fit_intercept : bool

    Returns
    -------
    float
        inf where a coefficient is not finite.
    """
    n, poisson = len(y), family == "poisson"
    coef, intercept = np.asarray(coef, dtype=np.float64).ravel(), float(np.ravel(intercept)[0])
    if not (np.isfinite(coef).all() and np.isfinite(intercept)):
        return np.inf

    def value(raw):
        if poisson:
            return np.mean(np.exp(raw) - y * raw + xlogy(y, y) - y)
        return np.mean(raw + y * np.exp(-raw) - np.log(y) - 1.0)

    raw = X @ coef + intercept
    null = value(np.full(n, np.log(y.mean()) if fit_intercept else 0.0))
    primal = value(raw) + l1 * np.abs(coef).sum() + 0.5 * l2 * (coef**2).sum()
    u = y - np.exp(raw) if poisson else y * np.exp(-raw) - 1.0
    if fit_intercept:
        u = _balanced(u)
    scale, charge = _dual_penalty(np.abs(X.T @ u) / n, l1, l2)
    u = scale * u
    if poisson:
        dual = -np.mean(xlogy(y - u, y - u) - xlogy(y, y) + u) - charge
    else:
        dual = -np.mean(xlogy(1.0 + u, 1.0 + u) - u * (1.0 + np.log(y))) - charge
    return float((primal - dual) / null)


def multitask_gap(X, Y, coef, intercept, l1, l2, *, fit_intercept):
    """Relative duality gap of one multi-task fit: the penalty is l1 * sum_j ||W_j|| + l2/2 ||W||^2.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    Y : ndarray of shape (n, T)
    coef : ndarray of shape (T, p)
    intercept : array-like of shape (T,) or float
    l1, l2 : float
    fit_intercept : bool

    Returns
    -------
    float
        (P - D) / P(0).
    """
    n = X.shape[0]
    Y, coef = np.asarray(Y, dtype=np.float64), np.asarray(coef, dtype=np.float64)
    centred = Y - Y.mean(axis=0) if fit_intercept else Y
    residual = Y - np.asarray(X @ coef.T) - np.asarray(intercept, dtype=np.float64)
    primal = (residual**2).sum() / (2.0 * n)
    primal += l1 * np.sqrt((coef**2).sum(axis=0)).sum() + 0.5 * l2 * (coef**2).sum()
    if fit_intercept:
        residual -= residual.mean(axis=0)
    scores = np.linalg.norm(np.asarray(X.T @ residual), axis=1) / n
    dual = _best_scale((centred * residual).sum() / n, (residual**2).sum() / n, scores, l1, l2)
    return float((primal - dual) / ((centred**2).sum() / (2.0 * n)))


def group_gap(X, y, coef, alpha, group):
    """Relative duality gap of a group lasso without intercept: the penalty is alpha sum_g sqrt(group) ||w_g||.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    coef : ndarray of shape (p,)
    alpha : float
    group : int
        Features of each group, which are neighbours.

    Returns
    -------
    float
        (P - D) / P(0); inf where a coefficient is not finite.
    """
    n, coef = len(y), np.asarray(coef, dtype=np.float64).ravel()
    if not np.isfinite(coef).all():
        return np.inf
    r = y - X @ coef
    primal = r @ r / (2.0 * n) + alpha * np.sqrt(group) * np.linalg.norm(coef.reshape(-1, group), axis=1).sum()
    scores = np.linalg.norm((X.T @ r).reshape(-1, group), axis=1) / (n * np.sqrt(group))
    dual = _best_scale(y @ r / n, r @ r / n, scores, alpha, 0.0)
    return float((primal - dual) / (y @ y / (2.0 * n)))


def mcp_decrease(X, y, coefs, alphas, gamma):
    """How far from stationary least squares under MCP are, in the units of a relative gap; of a path, the worst.

    There is no duality gap, as MCP is not convex. With d_j the distance of x_j'r/n from the slopes of
    alpha |w| - w^2 / (2 gamma) (flat from gamma alpha on), it is sum_j d_j^2 / (2 ||x_j||^2/n) / P(0): about what
    steps on single coefficients could still gain.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    coefs : ndarray or sparse array of shape (K, p)
    alphas : ndarray of shape (K,)
    gamma : float

    Returns
    -------
    float
        inf where a coefficient is not finite.
    """
    n = len(y)
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs, dtype=np.float64)
    if not np.isfinite(coefs).all():
        return np.inf
    size = np.einsum("ij,ij->j", X, X) / n
    worst = 0.0
    for coef, alpha in zip(coefs, alphas, strict=True):
        v = X.T @ (y - X @ coef) / n
        slope = np.sign(coef) * np.maximum(alpha - np.abs(coef) / gamma, 0.0)
        off = np.where(coef == 0.0, np.maximum(np.abs(v) - alpha, 0.0), v - slope)
        worst = max(worst, float((off**2 / (2.0 * size)).sum()))
    return worst / (y @ y / (2.0 * n))


def curve_error(curve, reference):
    """Largest error of a cross-validation curve, in units of the reference's largest value.

    Parameters
    ----------
    curve, reference : ndarray of shape (K,)
        Mean test error for each alpha, in the same order.

    Returns
    -------
    float
    """
    return float(np.max(np.abs(np.asarray(curve) - reference)) / np.max(reference))
