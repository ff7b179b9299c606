"""Variables between bounds in an interior-point method: slacks, multipliers, and how far a step may go.

A side of a bound is ``sign t <= limit + excess`` with a multiplier m >= 0. Where m may not exceed a cap, the excess is
the cap's own multiplier; elsewhere it is 0. Steps aim at products m slack = mu and excess (cap - m) = mu.
"""

import numpy as np


def _most(x, dx):
    """How much of the move dx keeps x >= 0."""
    down = dx < 0
    return float((-x[down] / dx[down]).min(initial=np.inf))


class Side:
    """One side of the bounds of some variables.

    Parameters
    ----------
    sign : {1, -1}
        1 for the upper, -1 for the lower one.
    limit, m : ndarray of shape (k,)
    at : ndarray of int of shape (k,) or slice
        Which of the box's variables.
    cap, excess : ndarray of shape (k,), optional
    """

    def __init__(self, sign, limit, m, at=slice(None), cap=None, excess=0.0):
        self.sign, self.limit, self.m, self.at, self.cap, self.excess = sign, limit, m, at, cap, excess

    def slack(self, t):
        return self.limit + self.excess - self.sign * t[self.at]

    def products(self, t):
        """(sum of products, how many)."""
        total, count = float(self.m @ self.slack(t)), len(self.m)
        if self.cap is None:
            return total, count
        return total + float(self.excess @ (self.cap - self.m)), 2 * count

    def aim(self, t, mu, second=None):
        """(a, b, h, k): m moves by ``dm = a + b sign dt``, the excess by ``h + k dm``.

        ``second`` has the predictor's moves of t, m and the excess.
        """
        g = self.slack(t)
        rest, h, k = mu - self.m * g, 0.0, 0.0
        if second is not None:
            dt, dm, dx = second
            rest = rest - dm * (dx - self.sign * dt[self.at])
        if self.cap is not None:
            q = self.cap - self.m
            h, k = mu / q - self.excess, self.excess / q
            if second is not None:
                h = h + dx * dm / q
        G = g + self.m * k
        return (rest - self.m * h) / G, self.m / G, h, k

    def move(self, t, dt, mu, second=None):
        """(move of m, of the excess) for a move of t."""
        a, b, h, k = self.aim(t, mu, second)
        dm = a + b * self.sign * dt[self.at]
        return dm, h + k * dm

    def reach(self, t, dt, move):
        """How far t and the excess, and how far m, may go."""
        dm, dx = move
        if self.cap is None:
            return _most(self.slack(t), -self.sign * dt[self.at]), _most(self.m, dm)
        primal = min(_most(self.slack(t), dx - self.sign * dt[self.at]), _most(self.excess, dx))
        return primal, min(_most(self.m, dm), _most(self.cap - self.m, -dm))

    def go(self, move, primal, dual):
        dm, dx = move
        self.m = self.m + dual * dm
        if self.cap is not None:
            self.excess = self.excess + primal * dx


class Box:
    """Variables, at 0 to begin with, and the sides of their bounds."""

    def __init__(self, n, sides):
        self.t, self.sides = np.zeros(n), sides

    def products(self):
        """(sum of products, how many)."""
        return tuple(map(sum, zip(*(side.products(self.t) for side in self.sides), strict=True))) or (0.0, 0)

    def multiplier(self):
        """Upper multipliers less lower ones."""
        out = np.zeros(len(self.t))
        for side in self.sides:
            out[side.at] += side.sign * side.m
        return out

    def system(self, mu, second=None):
        """(D, c): the multiplier moves by ``c + dt / D``."""
        slope, c = np.zeros(len(self.t)), np.zeros(len(self.t))
        for k, side in enumerate(self.sides):
            a, b, *_ = side.aim(self.t, mu, _of(second, k))
            slope[side.at] += b
            c[side.at] += side.sign * a
        return 1 / slope, c

    def move(self, dt, mu, second=None):
        """(move of t, those of each side)."""
        return dt, [side.move(self.t, dt, mu, _of(second, k)) for k, side in enumerate(self.sides)]

    def reach(self, move):
        """How far the variables, and how far the multipliers, may go."""
        dt, moves = move
        each = [side.reach(self.t, dt, one) for side, one in zip(self.sides, moves, strict=True)]
        return tuple(map(min, zip(*each, strict=True))) or (np.inf, np.inf)

    def after(self, move, primal, dual):
        """Sum of products after a move."""
        ahead = Box(0, [Side(s.sign, s.limit, s.m, s.at, s.cap, s.excess) for s in self.sides])
        ahead.t = self.t
        ahead.go(move, primal, dual)
        return ahead.products()[0]

    def go(self, move, primal, dual):
        dt, moves = move
        self.t = self.t + primal * dt
        for side, one in zip(self.sides, moves, strict=True):
            side.go(one, primal, dual)


def _of(second, k):
    """The predictor's moves of t and of the k-th side."""
    return None if second is None else (second[0], *second[1][k])
