"""The dual point that multinomial models are certified with.

``u_i = s_i (e_y - q_i)`` has a finite conjugate where q_i are probabilities of the classes. Intercepts, and columns F
that nothing is charged on, ask for ``X̃_F'u = 0`` of every class. From q = p of the predictions a Newton step leads
there: ``q_k + p_k (t_k - p't)`` with t linear in X̃_F, the change that these coefficients would bring. Where that is
below 0 the free columns rule out a class of a row altogether, if they go on: it gets q = 0, and the others start again.
"""

from functools import partial

import numpy as np

from .multinomial_newton import correlations, curvature, few, moved
from .semidefinite import conjugate_gradients, solver_of

TRIES = 12  # turns of ruling out
STEPS = 500  # of conjugate gradients, at most
FAR = 1e12  # from probabilities: no correction
CLOSE = 1e-13  # of the correlations to begin with, where they end


def dual_point(design, y, p, sets):
    """(K, n): u without correlation with the classes' sets of columns, and of sum 0 where there are intercepts.

    ``p`` (K, n) are probabilities, ``y`` class numbers. The conjugate may still be infinite there.
    """
    n, s = design.n, design.weights
    truth = np.zeros(p.shape)
    truth[y.astype(np.intp), np.arange(n)] = 1.0
    if not design.fit_intercept and not any(len(cols) for cols in sets):
        return s * (truth - p)
    for _ in range(TRIES):
        q = p
        correction = _correction(design, p, sets)
        for _ in range(2):  # the second for rounding
            t = correction(s * (truth - q))
            corrected = q + p * (t - np.einsum("kn,kn->n", p, t))
            if not np.abs(corrected).max() < FAR:  # rows too certain for their curvature to say anything
                return s * (truth - q)
            q = corrected
        out = q < 0
        if not (out & (s > 0)).any():
            break
        p = np.where(out, 0.0, p)
        p = p / np.maximum(p.sum(axis=0), 1e-300)
    return s * (truth - q)


def _correction(design, p, sets):
    """U -> changes t (K, n) of the predictions that take its correlations away."""
    if few(sets, design.n):
        solve = solver_of(curvature(design, p, sets)[1])
    else:
        solve = partial(_iterative, design, p, sets)

    def correct(U):
        linear, shift = moved(design, sets, solve(correlations(design, U, sets)))
        return linear + shift[:, None]

    return correct


def _iterative(design, p, sets, b):
    """The same system, its matrix too large: by products with X̃."""
    weight = design.weights * p
    size = (weight * (1 - p)).sum(axis=1)
    parts = [size[k] * design.sq_norms[cols] for k, cols in enumerate(sets)]
    diagonal = np.concatenate([*parts, size[1:]] if design.fit_intercept else parts)

    def product(d):
        linear, shift = moved(design, sets, d)
        t = linear + shift[:, None]
        return correlations(design, weight * (t - np.einsum("kn,kn->n", p, t)), sets)

    least = CLOSE**2 * float((b * b / np.maximum(diagonal, 1e-300)).sum())
    return conjugate_gradients(product, b, diagonal, least, STEPS)[0]
