"""Full-batch training: L-BFGS where the penalty allows, else accelerated proximal gradient steps.

L1 is smooth on each side of 0: with w = p - q, p >= 0, q >= 0 it becomes l1 (p + q), linear, and L-BFGS-B keeps
the bounds, so zeros are exact (a weight is never held by both parts at a solution). Bounds on weights go to L-BFGS-B
as they are. Every other penalty is left to its prox: Nesterov's acceleration with a step found by halving, restarted
where the objective would rise (Beck & Teboulle 2009; O'Donoghue & Candès 2015), so the objective falls monotonically
and the limit points are stationary, convex or not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds as BoxBounds
from scipy.optimize import minimize

from fastreg.penalties import Bounds, NonNegative
from fastreg.penalties.penalty import Separable

__all__ = ["FullBatch", "minimise", "residual"]

PART = 1 << 16  # weights
STANDSTILL = 100  # proximal steps without a lower objective, up to rounding, before the search ends


@dataclass(frozen=True)
class FullBatch:
    """How full-batch training ended.

    Attributes
    ----------
    objective : float
        Mean weighted loss + penalties.
    n_iter : int
    converged : bool
    message : str
        Why it stopped.
    interrupted : bool
        By Ctrl-C: the network has the weights of the last whole iteration.
    """

    objective: float
    n_iter: int
    converged: bool
    message: str
    interrupted: bool = False


def residual(net, penalties, X, Y, sample_weight=None, gradient=None):
    """How far the weights are from stationary for mean loss + penalties: the largest |w - prox(w - gradient)|.

    Where nothing is penalised that is the largest entry of the gradient.

    Parameters
    ----------
    net : Network
    penalties : sequence of (Penalty or None)
        Of the weights, layer by layer, then of the biases.
    X, Y, sample_weight
        As `Network.gradient` takes them.
    gradient : callable, default=None
        To be called in place of that.

    Returns
    -------
    float
    """
    _, weight_slopes, bias_slopes = (gradient or net.gradient)(X, Y, sample_weight)
    worst = 0.0
    for w, g, penalty in zip(net.weights + net.biases, weight_slopes + bias_slopes, penalties, strict=True):
        # in parts where a penalty allows: in large networks a copy of a layer is much of the memory
        whole = penalty is not None and not isinstance(penalty, Separable)
        rows = len(g) if whole else max(1, PART // max(1, g[0].size))
        for start in range(0, len(g), rows):
            part = slice(start, start + rows)
            moved = g[part]
            if penalty is not None:
                np.subtract(w[part], moved, out=moved)
                moved = penalty.prox(moved, 1.0)
                moved -= w[part]
            worst = max(worst, float(moved.max(initial=0.0)), -float(moved.min(initial=0.0)))
    return worst


def minimise(net, penalties, X, Y, sample_weight=None, *, tol=1e-4, max_iter=200, max_fun=15000, task=None):
    """Train a network on all rows at once, from the weights it has.

    Parameters
    ----------
    net : Network
        Gets the result.
    penalties : sequence of (Penalty or None)
        Of the weights, layer by layer, then of the biases.
    X, Y, sample_weight
        As `Network.gradient` takes them.
    tol : float
        Largest entry of the (proximal) gradient to end with.
    max_iter, max_fun : int
        Most iterations, most evaluations of the gradient.
    task : FitTask, optional
        Is told of each iteration, and may end it all.

    Returns
    -------
    FullBatch
    """
    arrays = net.weights + net.biases

    def loss_and_gradient(x):
        _unpack(arrays, x)
        value, weight_slopes, bias_slopes = net.gradient(X, Y, sample_weight)
        return value, _pack(weight_slopes + bias_slopes)

    def iteration_ended(x):
        if task is None:
            return False
        _unpack(arrays, x)
        stop = task.end()
        task.begin()
        return stop

    if task is not None:
        task.begin()
    options = loss_and_gradient, iteration_ended, tol, max_iter, max_fun
    if all(p is None or p.fused or isinstance(p, Bounds) for p in penalties):
        return _quasi_newton(arrays, penalties, *options)
    return _proximal_gradient(arrays, penalties, *options)


def _pack(arrays):
    return np.concatenate([np.asarray(a, dtype=np.float64).ravel() for a in arrays])


def _unpack(arrays, x):
    at = 0
    for a in arrays:
        a[...] = x[at : at + a.size].reshape(a.shape)
        at += a.size


def _each(arrays, penalties, number):
    """A number of each penalty, for each of its weights."""
    return np.concatenate([np.full(a.size, number(p)) for a, p in zip(arrays, penalties, strict=True)])


def _quasi_newton(arrays, penalties, loss_and_gradient, iteration_ended, tol, max_iter, max_fun):
    l1 = _each(arrays, penalties, lambda p: p.l1 if p is not None else 0.0)
    l2 = _each(arrays, penalties, lambda p: p.l2 if p is not None else 0.0)
    low = _each(arrays, penalties, lambda p: _bound(p, 0))
    high = _each(arrays, penalties, lambda p: _bound(p, 1))
    x = np.clip(_pack(arrays), low, high)
    parts = np.flatnonzero(l1)  # weights with two parts: x stands for the one above 0, y for the one below

    def whole(z):
        x = z[: len(l1)].copy()
        x[parts] -= z[len(l1) :]
        return x

    def objective(z):
        x = whole(z)
        value, slope = loss_and_gradient(x)
        slope += l2 * x
        value += 0.5 * np.dot(l2 * x, x) + np.dot(l1[parts], z[parts] + z[len(l1) :])
        return value, np.concatenate([slope + l1, l1[parts] - slope[parts]])

    below = np.maximum(-x[parts], 0)
    start = np.concatenate([x, below])
    start[parts] += below
    low[parts] = 0
    bounded = len(parts) > 0 or np.isfinite(low).any() or np.isfinite(high).any()
    bounds = None
    if bounded:
        bounds = BoxBounds(np.append(low, np.zeros(len(parts))), np.append(high, np.full(len(parts), np.inf)))
    last, n_iter = start, 0  # the last whole iteration, as the line search of the next one moves the weights

    def count(z):
        nonlocal last, n_iter
        last, n_iter = np.array(z), n_iter + 1
        if iteration_ended(whole(z)):
            raise StopIteration

    # ftol: the step from which the objective stands still in double precision, as in scikit-learn
    try:
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            callback=count,
            options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol, "ftol": 64 * np.finfo(float).eps},
        )
    except KeyboardInterrupt:
        found = None
    last = last if found is None else found.x
    _unpack(arrays, whole(last))
    if found is None:
        return FullBatch(objective(last)[0], n_iter, False, "interrupted", True)
    # status 1 is a limit on iterations or evaluations; 2, no progress in the line search, is as far as rounding allows
    return FullBatch(float(found.fun), int(found.nit), found.status != 1, str(found.message))


def _bound(penalty, side):
    if isinstance(penalty, NonNegative):
        return (0.0, np.inf)[side]
    return penalty.args[side] if isinstance(penalty, Bounds) else (-np.inf, np.inf)[side]


def _proximal_gradient(arrays, penalties, loss_and_gradient, iteration_ended, tol, max_iter, max_fun):
    cuts = np.cumsum([a.size for a in arrays])[:-1]
    shapes = [a.shape for a in arrays]

    def layers(x):
        return [part.reshape(shape) for part, shape in zip(np.split(x, cuts), shapes, strict=True)]

    def prox(x, step):
        moved = [w if p is None else p.prox(w, step) for w, p in zip(layers(x), penalties, strict=True)]
        return np.concatenate([w.ravel() for w in moved])

    def charge(x):
        return sum(p.value(w) for w, p in zip(layers(x), penalties, strict=True) if p is not None)

    rounding = 4 * np.finfo(arrays[0].dtype).eps  # what a value may be off by, as a share of it
    x = prox(_pack(arrays), 1e-12)  # inside of bounds
    try:
        loss, slope = loss_and_gradient(x)
    except KeyboardInterrupt:
        _unpack(arrays, x)
        return FullBatch(loss_and_gradient(x)[0] + charge(x), 0, False, "interrupted", True)
    best, n_fun, step, momentum = loss + charge(x), 1, 1.0, 1.0
    y, loss_y, slope_y = x, loss, slope
    n_iter, accepted, ends, interrupted = 0, 0, False, False
    least, stands = np.inf, 0  # the objective when progress was last seen, and iterations since
    while n_iter < max_iter and n_fun < max_fun and not ends and stands < STANDSTILL:
        try:
            n_iter += 1
            while True:
                new = prox(y - step * slope_y, step)
                move = new - y
                loss, slope = loss_and_gradient(new)
                n_fun += 1
                # the loss lies below its quadratic model, up to rounding
                room = rounding * (abs(loss) + abs(loss_y))
                if loss <= loss_y + slope_y @ move + move @ move / (2 * step) + room or step < 1e-20:
                    break
                step /= 2
            value = loss + charge(new)
            if value > best + rounding * abs(best) and y is not x:  # overshot: again from x, without momentum
                y, momentum = x, 1.0
                loss_y, slope_y = loss_and_gradient(x)
                n_fun += 1
                continue
            ends = np.abs(new - prox(new - slope, 1.0)).max() <= tol
            ahead = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            y = new + (momentum - 1) / ahead * (new - x)
            x, best, momentum, accepted = new, min(best, value), ahead, n_iter
            if iteration_ended(x):
                ends = True
                break
            stands += 1
            if best < least - rounding * abs(least) or least == np.inf:
                least, stands = best, 0
            if not ends:
                loss_y, slope_y = loss_and_gradient(y)
                n_fun += 1
            step *= 1.1
        except KeyboardInterrupt:
            interrupted = True
            break
    _unpack(arrays, x)
    if interrupted:
        return FullBatch(float(best), accepted, False, "interrupted", True)
    if not ends and stands >= STANDSTILL:
        return FullBatch(float(best), n_iter, True, "the objective stands still, as far as rounding tells")
    message = "the proximal gradient is small" if ends else "too many iterations"
    return FullBatch(float(best), n_iter, bool(ends), message)
