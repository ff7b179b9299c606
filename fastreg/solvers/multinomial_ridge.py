"""Multinomial models under a ridge penalty on few columns: Newton steps on all coefficients, for all classes at once.

No coefficient is to be found at 0, so all of a step is linear algebra on one copy of X̃ and the constant, Z. With few
coefficients its system is solved as it is; with more by conjugate gradients, each a product with Z and one with its
transpose, preconditioned by the classes' own blocks ``Z_k's p_k (1 - p_k) Z``, as loosely as the step is far from the
end. The classes' mean, which the loss does not see, stays at 0.
"""

import numpy as np

from fastreg._threads import serial_blas

from .line_search import line_search

FEATURES = 256  # at most
ELEMENTS = 1 << 20  # of X
DIRECT = 150  # coefficients, up to which a step's system is solved as it is
RIDGE = 1e-10  # of its diagonal on the intercepts' block, as all alike change nothing
LOOSE = 1e-2  # share of a step's promise that conjugate gradients leave
ITERATIONS = 200  # of these, at most
STALE = 10  # of them, after which the next step makes its own blocks


def takes(design, penalty, alpha):
    """Whether such steps are for this problem."""
    small = design.p <= FEATURES and design.n * design.p <= ELEMENTS
    return small and alpha > 0 and penalty.l1_ratio == 0 and not penalty.bounded and penalty.factor.min() > 0


class RidgeSteps:
    """What the steps need of a `Multinomial`."""

    def __init__(self, state):
        design = state.design
        self.state, self.fit_intercept = state, design.fit_intercept
        self.Z = np.ones((design.p + design.fit_intercept, design.n))
        self.Z[: design.p] = design.take().T
        self.truth = np.zeros((state.K, design.n))
        self.truth[state.y.astype(np.intp), np.arange(design.n)] = state.s
        self.inverse = None  # of the blocks

    def descend(self, alpha, goal, limit):
        """Steps until the gap is ``goal`` but for the intercepts' part; how many."""
        with serial_blas(1.0 * self.state.K * self.Z.size, len(self.Z)):
            return self._descend(alpha, goal, limit)

    def _descend(self, alpha, goal, limit):
        state, Z = self.state, self.Z
        K, p = state.K, state.design.p
        l2 = np.zeros(len(Z))
        l2[:p] = alpha * state.penalty.factor
        W = np.zeros((K, len(Z)))
        W[:, :p] = state.coef
        if self.fit_intercept:
            W[:, p] = state.intercept
        W -= W.mean(axis=0)
        linear, steps = W @ Z, 0

        def loss(raw):
            return state.loss(np.ascontiguousarray((raw + state.offset).T), state.y, state.s)

        value, gradient, _ = loss(linear)
        slope = gradient.T @ Z.T + l2 * W
        while float((slope[:, :p] ** 2 / l2[:p]).sum()) > 2 * goal and steps < limit:
            P = np.maximum(gradient.T + self.truth, 0.0)
            D = self._direction(P, slope, l2)
            D -= D.mean(axis=0)
            step, decrease = D @ Z, float(np.vdot(slope, D))
            charge = 0.5 * float(np.vdot(l2 * W, W))

            def trial(t, W=W, D=D, linear=linear, step=step):
                V = W + t * D
                there = loss(linear + t * step)
                return there[0] + 0.5 * float(np.vdot(l2 * V, V)), there

            t, there = line_search(trial, value, charge, decrease)
            steps += 1
            if t == 0:
                break
            W, linear = W + t * D, linear + t * step
            value, gradient, _ = there
            slope = gradient.T @ Z.T + l2 * W
        for k, part in enumerate(state.parts):
            part.coef[:] = W[k, :p]
            part.predictor.b = float(W[k, p]) if self.fit_intercept else 0.0
            part.predictor.linear = linear[k] - part.predictor.b
        return steps

    def _direction(self, P, slope, l2):
        """Newton's, for the curvature at weighted probabilities P (K, n)."""
        Z, s = self.Z, self.state.s
        K, q = slope.shape
        share = np.divide(P, s, out=np.zeros_like(P), where=s > 0)
        ridge = l2 + RIDGE * float(P.sum())
        if K * q <= DIRECT:
            parts = (Z * P[:, None, :]).reshape(K * q, -1)
            G = -parts @ (Z * share[:, None, :]).reshape(K * q, -1).T
            blocks = np.einsum("kikj->kij", G.reshape(K, q, K, q))  # a view
            blocks += (parts @ Z.T).reshape(K, q, q)
            G[np.diag_indices_from(G)] += np.tile(ridge, K)
            return np.linalg.solve(G, -slope.ravel()).reshape(K, q)
        if self.inverse is None:
            blocks = np.array([(Z * w) @ Z.T for w in P * (1 - share)])
            blocks[:, np.arange(q), np.arange(q)] += ridge
            self.inverse = np.linalg.inv(blocks)
        x, r = np.zeros_like(slope), -slope
        z = np.einsum("kij,kj->ki", self.inverse, r)
        d, rz = z, float(np.vdot(r, z))
        least = LOOSE * rz
        turns = 0
        while rz > least and turns < ITERATIONS:
            turns += 1
            T = d @ Z
            moved = (P * (T - np.einsum("kn,kn->n", share, T))) @ Z.T + ridge * d
            step = rz / float(np.vdot(d, moved))
            x, r = x + step * d, r - step * moved
            z = np.einsum("kij,kj->ki", self.inverse, r)
            rz, before = float(np.vdot(r, z)), rz
            d = z + (rz / before) * d
        if turns > STALE:
            self.inverse = None
        return x
