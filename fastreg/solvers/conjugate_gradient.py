"""Conjugate gradients for ridge on big sparse X: all targets, each with its own shift, in the same passes.

Solves ``(X̃'SX̃ + c F) w = X̃'S y`` with the Jacobi preconditioner ``sq_norms + c f``, two passes over X an
iteration. The stopping rule is the duality gap itself: for the dual point "residual", the gap of the
recursion's own gradient z is ``sum z_j² / (2 c f_j)``, so it is known at every iteration for nothing. A few
unpenalised columns are projected out of the residuals; with many, or at shift 0, there is no such bound and
the preconditioned gradient stands in.
"""

import numpy as np

from fastreg.solvers.ridge_systems import System, unit_columns

_EPS = np.finfo(np.float64).eps
_MAX_PROJECTED = 500


class ConjugateGradient(System):
    """A system in the sense of `fastreg.solvers.ridge_systems`.

    Parameters
    ----------
    design : Design
    factor : None or ndarray of shape (p,)
    aim : float
        Gap to stop at, relative to the objective of the zero vector.
    max_iter : int
        For one fit, all refinements included.
    """

    method = "sparse_cg"

    def __init__(self, design, factor, aim, max_iter):
        super().__init__(design, np.ones(design.p) if factor is None else factor)
        self.aim, self.max_iter = aim, max_iter
        self.n_iter = np.zeros(0, dtype=np.intp)
        self.projects = 0 < self.columns.size <= _MAX_PROJECTED
        if self.projects:
            self.root = np.sqrt(design.weights)[:, None]
            left, values, right = np.linalg.svd(self.root * unit_columns(design, self.columns), full_matrices=False)
            keep = values > _EPS * design.n * max(values[0], np.finfo(np.float64).tiny)
            self.basis, self.pseudo = left[:, keep], right[keep].T / values[keep]

    def fit(self, y, cross, shift):
        """As every system's; `shift` is an array of shape (k,), one a target."""
        self._y, self.n_iter = y, np.zeros(y.shape[1], dtype=np.intp)
        self.null = 0.5 * (self.design.weights @ y**2)
        w = np.zeros((self.design.p, y.shape[1]))
        return self._restore(self._run(w, self._gradient(self._project(y)), shift), y)

    def correct(self, w, z, shift):
        w, y = w.copy(), self._y
        if self.projects:
            w[self.columns] = 0.0
            r = self._project(y - self.design.xw(w))
            z = self._gradient(r) - shift * self.factor[:, None] * w
        return self._restore(self._run(w, z.copy(), shift), y), np.full(w.shape[1], np.inf)

    def project(self, r, g, shift):
        if np.all(shift > 0) and self.projects:
            return super().project(r, g, shift)
        # not a bound: what one preconditioned step would still gain
        norms = np.where(self.design.sq_norms > 0, self.design.sq_norms, np.inf)[:, None]
        return r, np.sum(g**2 * (self.factor[:, None] * shift == 0) / norms, axis=0)

    def _run(self, w, z, shift):
        shift = np.broadcast_to(np.asarray(shift, dtype=np.float64), w.shape[1:])
        active = np.flatnonzero(self.n_iter < self.max_iter)
        penalty = self.factor[:, None] * shift
        diagonal = self.design.sq_norms[:, None] + penalty
        inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
        if self.projects:
            inverse[self.columns] = 0.0
        # z² bound: the gap where there is a penalty, the preconditioned gradient's energy elsewhere
        bound = np.divide(0.5, penalty, out=0.5 * inverse, where=(penalty > 0) & (inverse > 0))
        target = self.aim * self.null
        step = inverse * z
        energy = np.sum(z * step, axis=0)
        while True:
            gap = np.sum(bound[:, active] * z[:, active] ** 2, axis=0)
            active = active[(gap > target[active]) & (self.n_iter[active] < self.max_iter)]
            if not active.size:
                return w
            part = np.ascontiguousarray(step[:, active])
            image = self._gradient(self._project(self.design.xw(part))) + penalty[:, active] * part
            curvature = np.sum(part * image, axis=0)
            length = np.divide(energy[active], curvature, out=np.zeros_like(curvature), where=curvature > 0)
            w[:, active] += length * part
            z[:, active] -= length * image
            ahead = inverse[:, active] * z[:, active]
            fresh = np.sum(z[:, active] * ahead, axis=0)
            ratio = np.divide(fresh, energy[active], out=np.zeros_like(fresh), where=energy[active] > 0)
            step[:, active] = ahead + ratio * part
            energy[active] = fresh
            self.n_iter[active] += 1
            active = active[curvature > 0]

    def _gradient(self, r):
        z = self.design.xt_r(r)
        if self.projects:
            z[self.columns] = 0.0
        return z

    def _project(self, r):
        if not self.projects:
            return r
        weighted = self.root * r
        weighted -= self.basis @ (self.basis.T @ weighted)
        return np.divide(weighted, self.root, out=np.zeros_like(r), where=self.root > 0)

    def _restore(self, w, y):
        """The unpenalised coefficients that belong to the penalised ones."""
        if self.projects:
            w[self.columns] = self.pseudo @ (self.basis.T @ (self.root * (y - self.design.xw(w))))
        return w
