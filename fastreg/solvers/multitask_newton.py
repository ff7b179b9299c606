"""Newton steps after block coordinate descent: tasks that share their zeros, on correlated columns.

On the rows that are not 0 the objective is smooth. With ``n_j = |w_j|`` and ``u_j = w_j / n_j`` its Hessian is
``I_T ⊗ G`` plus, row by row, ``l1 / n_j (I - u_j u_j') + l2 I``: one Cholesky factorisation of (rows x T)^2 a step.
A bisection on the derivative says how far to go. Rows that pass by 0 before the end of the step are left at 0 if that
is no higher than before; steps are repeated until none does, then the worst violators of optimality join, a few at a
time (as in gram.pyx, which does this for one task). Every step lowers the objective.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..penalties.features import gap as duality_gap
from .multitask import block_descent

FIRST = 30  # sweeps before the first step: easy problems need no more
SWEEPS = 10  # where a round of steps did not help
LARGE = 1500  # unknowns (rows x T) from which a step costs too much
BLOCKED = 0.99  # shorter steps have met a kink
RIDGE = 1e-13  # of the largest diagonal of G, so that dependent columns have a Cholesky factor


def solve_blocks(G, Q, start, penalty, alpha, yy, tol, max_iter):
    """As ``block_descent``, and faster where columns are strongly correlated."""
    W, n_iter, gap, primal = block_descent(G, Q, start, penalty, alpha, yy, tol, min(FIRST, max_iter))
    if n_iter < FIRST or gap <= tol * yy / 2 or n_iter >= max_iter:
        return W, n_iter, gap, primal
    swept = W, gap, primal
    if 2 * _support(start) < _support(W):  # sweeps let in many that go again one by one
        W = np.array(start)
    charges = alpha * penalty.factor
    l1, l2 = (charges * penalty.l1_ratio)[:, None], (charges * (1 - penalty.l1_ratio))[:, None]
    norms = np.ascontiguousarray(np.diagonal(G))
    sweeps = SWEEPS
    while gap > tol * yy / 2 and n_iter < max_iter:
        if _support(W) * W.shape[1] > LARGE:
            W, made, gap, primal = block_descent(G, Q, W, penalty, alpha, yy, tol, max_iter - n_iter)
            return W, n_iter + made, gap, primal
        W = _face(G, Q, W, l1, l2, 0.03 * tol * yy)
        g = Q - G @ W
        wq, wg = np.vdot(W, Q), np.vdot(W, g)
        n_iter += 1
        before = gap
        gap, primal = duality_gap(
            np.linalg.norm(g, axis=1), np.linalg.norm(W, axis=1), norms, penalty, alpha,
            max(0.0, yy - wq - wg), yy - wq, yy,
        )  # fmt: skip
        if gap > tol * yy / 2 and not _admit(G, g, W, norms, l1, l2):
            if not gap < before:
                sweeps *= 2
            W, made, gap, primal = block_descent(G, Q, W, penalty, alpha, yy, tol, min(sweeps, max_iter - n_iter))
            n_iter += made
            if made < sweeps:
                break
    if gap > tol * yy / 2 and primal > swept[2]:  # out of iterations
        W, gap, primal = swept
    return W, n_iter, gap, primal


def _support(W):
    return np.count_nonzero(W.any(axis=1))


def _admit(G, g, W, norms, l1, l2):
    """A visit of the rows at 0 that violate optimality most, W and its gradient g in place; how many."""
    size = np.linalg.norm(g, axis=1)
    excess = np.where(W.any(axis=1) | (norms <= 0), 0.0, size - l1[:, 0] * (1 + 1e-12))
    count = 1 + _support(W) // 10
    found = [j for j in np.argsort(-excess)[:count] if excess[j] > 0]
    for j in found:
        size = np.linalg.norm(g[j])
        if size > l1[j, 0]:
            W[j] = (1 - l1[j, 0] / size) / (norms[j] + l2[j, 0]) * g[j]
            g -= np.outer(G[:, j], W[j])
    return len(found)


def _face(G, Q, W, l1, l2, enough):
    """Newton steps on the rows that are not 0, until one goes all its way and has no more than ``enough`` to gain."""
    W = W.copy()
    for _ in range(10 + len(W)):
        used = np.flatnonzero(W.any(axis=1))
        if not len(used):
            break
        face = G[np.ix_(used, used)], Q[used], l1[used], l2[used]
        w = W[used]
        D, gain = _direction(*face, w)
        t = _length(*face, w, D) if gain > 0 else 0.0
        if not t > 0:
            break
        W[used] = moved = w + t * D
        if t >= BLOCKED:
            if gain <= enough:
                break
            continue
        # Rows that have come as near to 0 as they do: all of them, or else the one that does so next to the stop.
        inward = -np.einsum("jt,jt->j", w, D)
        hit = np.divide(inward, np.einsum("jt,jt->j", D, D), out=np.full(len(w), np.inf), where=inward > 0)
        before = _value(*face, w)
        for there in (hit <= t, np.arange(len(w)) == np.abs(hit - t).argmin()):
            trial = np.where(there[:, None], 0.0, moved)
            if there.any() and _value(*face, trial) <= before:
                W[used] = trial
                break
    return W


def _value(G, Q, l1, l2, W):
    size = np.linalg.norm(W, axis=1, keepdims=True)
    return 0.5 * np.vdot(W, G @ W) - np.vdot(Q, W) + np.sum(l1 * size + 0.5 * l2 * size * size)


def _direction(G, Q, l1, l2, W):
    """Newton's direction, and what the quadratic model gains along it; (None, 0) where there is none."""
    m, T = W.shape
    size = np.linalg.norm(W, axis=1, keepdims=True)
    unit = W / size
    H = np.zeros((m, T, m, T))
    rows, tasks = np.arange(m), np.arange(T)
    H[:, tasks, :, tasks] = G
    H[rows, :, rows, :] -= (l1 / size)[:, :, None] * unit[:, :, None] * unit[:, None, :]
    H = H.reshape(m * T, m * T)
    diagonal = np.diagonal(H) + np.broadcast_to(l1 / size + l2, (m, T)).ravel()
    np.fill_diagonal(H, diagonal + RIDGE * np.diagonal(G).max())
    descent = Q - G @ W - l1 * unit - l2 * W
    try:
        D = cho_solve(cho_factor(H, lower=True, overwrite_a=True), descent.ravel()).reshape(m, T)
    except LinAlgError:
        return None, 0.0
    return D, 0.5 * np.vdot(descent, D)


def _length(G, Q, l1, l2, W, D):
    """The minimum along W + t D for t up to 1, approached from below: 0 where D leads nowhere."""
    smooth, curvature = np.vdot(Q - G @ W, D), np.vdot(D, G @ D)

    def slope(t):
        moved = W + t * D
        norm = np.linalg.norm(moved, axis=1, keepdims=True)
        rise = np.divide(moved, norm, out=np.zeros_like(moved), where=norm > 0)
        return t * curvature - smooth + np.vdot(l1 * rise + l2 * moved, D)

    if not slope(0.0) < 0:
        return 0.0
    if slope(1.0) <= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        t = 0.5 * (low + high)
        low, high = (t, high) if slope(t) < 0 else (low, t)
    return low
