"""Linear systems with a positive semidefinite matrix: one that is there, or its products only."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from fastreg._simd.dispatch import dot


def solver_of(G):
    """A solver of G x = b, b (n,) or (n, k), for a positive semidefinite G; where need be of its well-posed part."""
    d = np.sqrt(np.maximum(np.diagonal(G), 1e-300))
    scaled = G / np.outer(d, d)
    for ridge in (0.0, 1e-13, 1e-11, 1e-9):
        try:
            upper = cho_factor(scaled + ridge * np.eye(len(d)), check_finite=False)
        except LinAlgError:
            continue
        return lambda b: (cho_solve(upper, (b.T / d).T, check_finite=False).T / d).T
    return lambda b: (lstsq(scaled, (b.T / d).T, cond=1e-12)[0].T / d).T


def conjugate_gradients(product, b, diagonal, least, steps, share=0.0):
    """x with A x = b from products with A, and whether it is as near as asked for.

    That is a preconditioned square of the residual of at most ``least``, or of a ``share`` of what it is at first.
    """
    diagonal = np.maximum(diagonal, 1e-300)
    x, r = np.zeros(len(b)), b
    z = r / diagonal
    d, rz = z, dot(r, z)
    least = max(least, share * rz)
    for _ in range(steps):
        if rz <= least:
            break
        moved = product(d)
        step = rz / dot(d, moved)
        x, r = x + step * d, r - step * moved
        z = r / diagonal
        rz, before = dot(r, z), rz
        d = z + (rz / before) * d
    return x, rz <= least
