"""Multinomial models under a ridge penalty: Newton steps on all coefficients, for all classes at once.

No coefficient is to be found at 0, so all of a step is linear algebra on X̃ and the constant, Z. With few coefficients
its system is solved as it is; with more by conjugate gradients, each a product with Z and one with its transpose, as
loosely as the step is far from the end. They are preconditioned by the classes' own blocks ``Z's p_k (1 - p_k) Z``
where these are small, by one block for all classes where X is dense and tall, and else by the diagonal. The classes'
mean, which the loss does not see, stays at 0.
"""

import numpy as np

from fastreg._threads import serial_blas

from .line_search import line_search
from .ridge_model import is_ridge, ridge_block
from .semidefinite import solver_of

FEATURES = 256  # of an X that is copied and whose classes have blocks of their own, at most
ELEMENTS = 1 << 20  # of it
DIRECT = 150  # coefficients, up to which a step's system is solved as it is
RIDGE = 1e-10  # of its diagonal on the intercepts' block, as all alike change nothing
LOOSE = 1e-2  # share of a step's promise that conjugate gradients leave
ITERATIONS = 200  # of these, at most
STALE = 10  # of them, after which the next step makes its own blocks


def takes(penalty, alpha):
    """Whether such steps are for this problem."""
    return alpha > 0 and is_ridge(penalty) and penalty.factor.min() > 0


class RidgeSteps:
    """What the steps need of a `Multinomial`."""

    def __init__(self, state):
        design = state.design
        self.state, self.fit_intercept = state, design.fit_intercept
        self.Z = None
        if design.p <= FEATURES and design.n * design.p <= ELEMENTS:
            self.Z = np.ones((design.p + design.fit_intercept, design.n))
            self.Z[: design.p] = design.take().T
        self.truth = np.zeros((state.K, design.n))
        self.truth[state.y.astype(np.intp), np.arange(design.n)] = state.s
        self.precondition = None

    def predict(self, D):
        """DZ for D (K, p or p + 1)."""
        if self.Z is not None:
            return D @ self.Z
        design = self.state.design
        return design.xw(np.ascontiguousarray(D[:, : design.p].T)).T + D[:, design.p :].sum(axis=1, keepdims=True)

    def correlate(self, R):
        """RZ' for R (K, n)."""
        if self.Z is not None:
            return R @ self.Z.T
        R = np.ascontiguousarray(R)
        products = self.state.design.xt_all(R)
        return np.hstack([products, R.sum(axis=1)[:, None]]) if self.fit_intercept else products

    def descend(self, alpha, goal, limit):
        """Steps until the gap is ``goal`` but for the intercepts' part; how many."""
        design = self.state.design
        with serial_blas(1.0 * self.state.K * design.n * design.p, min(design.n, design.p)):
            return self._descend(alpha, goal, limit)

    def _descend(self, alpha, goal, limit):
        state = self.state
        K, p = state.K, state.design.p
        l2 = np.zeros(p + self.fit_intercept)
        l2[:p] = alpha * state.penalty.factor
        W = np.zeros((K, len(l2)))
        W[:, :p] = state.coef
        if self.fit_intercept:
            W[:, p] = state.intercept
        W -= W.mean(axis=0)
        linear, steps = self.predict(W), 0

        def loss(raw):
            return state.loss(np.ascontiguousarray((raw + state.offset).T), state.y, state.s)

        value, gradient, _ = loss(linear)
        slope = self.correlate(gradient.T) + l2 * W
        while float((slope[:, :p] ** 2 / l2[:p]).sum()) > 2 * goal and steps < limit:
            P = np.maximum(gradient.T + self.truth, 0.0)
            D = self._direction(P, slope, l2)
            D -= D.mean(axis=0)
            step, decrease = self.predict(D), float(np.vdot(slope, D))
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
            slope = self.correlate(gradient.T) + l2 * W
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
        if Z is not None and K * q <= DIRECT:
            parts = (Z * P[:, None, :]).reshape(K * q, -1)
            G = -parts @ (Z * share[:, None, :]).reshape(K * q, -1).T
            blocks = np.einsum("kikj->kij", G.reshape(K, q, K, q))  # a view
            blocks += (parts @ Z.T).reshape(K, q, q)
            G[np.diag_indices_from(G)] += np.tile(ridge, K)
            return np.linalg.solve(G, -slope.ravel()).reshape(K, q)
        if self.precondition is None:
            self.precondition = self._preconditioner(P * (1 - share), ridge)
        x, r = np.zeros_like(slope), -slope
        z = self.precondition(r)
        d, rz = z, float(np.vdot(r, z))
        least = LOOSE * rz
        turns = 0
        while rz > least and turns < ITERATIONS:
            turns += 1
            T = self.predict(d)
            moved = self.correlate(P * (T - np.einsum("kn,kn->n", share, T))) + ridge * d
            step = rz / float(np.vdot(d, moved))
            x, r = x + step * d, r - step * moved
            z = self.precondition(r)
            rz, before = float(np.vdot(r, z)), rz
            d = z + (rz / before) * d
        if turns > STALE:
            self.precondition = None
        return x

    def _preconditioner(self, H, ridge):
        """What divides (K, q) by something like the curvatures H (K, n) of the classes and the ridge."""
        design, Z, q = self.state.design, self.Z, len(ridge)
        if Z is not None:
            blocks = np.array([(Z * w) @ Z.T for w in H])
            blocks[:, np.arange(q), np.arange(q)] += ridge
            inverse = np.linalg.inv(blocks)
            return lambda r: np.einsum("kij,kj->ki", inverse, r)
        size = H.sum(axis=1, keepdims=True)
        if ridge_block(design, self.state.penalty) is None:  # tall and dense
            mean = float(size.mean())
            G, center = design.reweighted(H.sum(axis=0) / size.sum(), np.arange(design.p))
            if self.fit_intercept:
                G = np.block([[G, center[:, None]], [center, 1.0]])
            solve = solver_of(mean * G + np.diag(ridge))
            return lambda r: solve(r.T).T * (mean / size)
        diagonal = size * np.append(design.sq_norms, np.ones(q - design.p)) + ridge
        return lambda r: r / diagonal
