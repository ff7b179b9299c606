"""A quadratic model on a set of columns under group, sorted or folded penalties, and its minimum.

Sweeps (sweeps.pyx) find which coefficients are 0; Newton steps on what is left, where the penalty is smooth, end what
sweeps would take many cycles for. A step is as long as the objective falls; what passes 0 on it stays there. Where the
penalty is not convex and the Hessian not positive, its concave part is left out: still a direction of descent. SLOPE,
whose coefficients depend on each other through their order, has accelerated prox-gradient steps with restarts (Beck,
Teboulle, 2009; O'Donoghue, Candès, 2015), and Newton steps on the sizes of its clusters.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from fastreg._simd.dispatch import dot
from fastreg._threads import serial_blas

from ..penalties.featurewise import FeatureSeparable
from ..penalties.groups import FeatureGroups
from ..penalties.slope import FeatureSorted
from .group_descent import CLOSE, Packed, Spectra, descend, gap
from .newton_model import NewtonBlock
from .sweeps import sweep_features, sweep_groups

SWEEPS = 4  # before a Newton step
CHOLESKY = 0.05  # multiply-adds of sweeps, for each coefficient cubed, that a step is worth
LARGE = 2000  # columns from which a Newton step costs too much
RIDGE = 1e-12  # of the largest diagonal, so that dependent columns have a Cholesky factor
ROUNDS = 200  # on a model, at most
FEWEST = 10  # of them, once models before it were not solved by more
GRADIENT_STEPS = 50  # between Newton steps on clusters
STEPS = 0.3 ** np.arange(8)  # lengths that are tried


class CompositeBlock(NewtonBlock):
    """A set of columns under any of these penalties.

    ``damping`` multiplies the model's curvature where a full step has gone too far.
    """

    damping = 1.0
    promise = 0.0  # decrease of the model at its minimum
    rounds = ROUNDS

    def __init__(self, design, penalty):
        super().__init__(design, penalty)
        short = design.n <= design.p and not design.storage.is_sparse
        self.packed = None
        if short and isinstance(penalty, FeatureGroups):
            self.packed, self.growth = Packed(design), 1.0  # a column more costs little, a round a pass over X

    def keep(self, mask):
        if self.packed is not None:
            self.packed.keep(mask)
        super().keep(mask)

    def minimum(self, h, u, coef, c, alpha, goal, far, near):
        """Coefficients that minimise the model to within ``goal``, and the shift of the intercept; c is X̃'u."""
        start = coef
        if self.packed is not None:
            start, shift, self.promise, solved = descend(
                self.packed, self.cols, self.sub, h * self.damping, u, coef, alpha, goal
            )
            if solved:
                return start, shift
            self.packed = None  # correlated: Newton steps have to help
        self.adopt(h, far, near)
        G, H = self._fill(), self.H * self.damping
        centred = self.design.fit_intercept
        U = float(u.sum()) / H if centred else 0.0
        g = c / H - self.mean * U
        slack = max(dot(u, u / h) / self.H / self.damping**2 - U * U, 0.0)
        model = Model(G, g, coef, slack, self.sub, alpha, H, goal, 1.0 * self.design.n * len(coef))
        if start is not coef:
            model.w[:] = start
            model.refresh()
        model.rounds = self.rounds
        new = MINIMISERS[type(self.sub)](model)
        # what is too ill-conditioned for many rounds is so for the next model
        self.rounds = ROUNDS if model.is_solved else max(self.rounds // 2, FEWEST)
        self.promise = model.gained
        return new, U - dot(self.mean, new - coef) if centred else 0.0


class Model:
    """``H (1/2 d'Gd - g'd) + penalty(w)`` with d = w - coef, and where its minimisation stands.

    The quadratic part is half a squared distance from the model's y, whose residual at ``coef`` has the square
    ``slack``; so convex penalties have a duality gap, from g alone.
    """

    def __init__(self, G, g, coef, slack, penalty, alpha, H, goal, work):
        self.G, self.start, self.penalty, self.alpha, self.H, self.goal = G, g, penalty, alpha, H, goal
        self.w, self.g = np.array(coef), np.array(g)
        self.first, self.slack, self.work = coef, slack, work
        self.before = penalty.value(coef, alpha)
        self.rounding = 1e-14 * (abs(self.before) + H * slack)
        self.gained = 0.0
        self.rounds, self.is_solved = ROUNDS, False

    def refresh(self):
        """The gradient afresh, and the decrease so far."""
        d = self.w - self.first
        change = np.einsum("ij,j->i", self.G, d)
        self.g[:] = self.start - change
        self.gained = self.H * (dot(self.start, d) - 0.5 * dot(d, change))
        self.gained += self.before - self.penalty.value(self.w, self.alpha)

    def solved(self, gained):
        """Whether the minimum is near enough; ``gained`` by the last round, which decides without a dual problem."""
        self.refresh()
        if not self.penalty.has_dual:
            return gained <= 0.1 * self.goal
        d = self.w - self.first
        rr = max(self.slack - dot(d, self.start) - dot(d, self.g), 0.0)
        norms = np.diagonal(self.G)
        return gap(self.w, self.g, rr, self.slack, norms, self.penalty, self.alpha, self.H) <= CLOSE * self.goal

    def move(self, trial):
        """Go to a point unless that is higher; by how much it is lower, more than 0 where it is not by rounding only.

        Near the optimum the objective no longer shows what the gap does: a violation counts there by its square.
        """
        moved = np.flatnonzero(trial != self.w)
        move = trial[moved] - self.w[moved]
        change = np.einsum("ij,j->i", self.G[:, moved], move)
        gained = self.H * (dot(self.g[moved], move) - 0.5 * dot(move, change[moved]))
        gained += self.penalty.value(self.w, self.alpha) - self.penalty.value(trial, self.alpha)
        if not gained > -self.rounding:
            return 0.0
        self.w[:] = trial
        self.g -= change
        return max(gained, 1e-300)

    def alternate(self, sweeps, newton):
        """Sweeps, and Newton steps in turn with them once the sweeps have cost as much as a step would."""
        last, spent = np.inf, 0.0
        for _ in range(self.rounds):
            gained = sweeps()
            self.is_solved = self.solved(gained) or not (gained > 0 or last > 0)
            if self.is_solved:
                break
            support, last = np.count_nonzero(self.w), 0.0
            spent += SWEEPS * support * len(self.w)
            if 0 < support <= LARGE and spent >= CHOLESKY * support**3:
                with serial_blas(self.work, support):
                    for _ in range(10):
                        last = newton(self)
                        if last <= 0.1 * self.goal:
                            break
        return self.w


def _features(model):
    def sweeps():
        return sweep_features(model.G, model.g, model.w, model.penalty, model.alpha, model.H, SWEEPS)

    return model.alternate(sweeps, _newton)


def _groups(model):
    penalty, G = model.penalty, model.G
    own = Spectra(penalty, lambda at: G[at[:, :, None], at[:, None, :]])

    def sweeps():
        return sweep_groups(G, model.g, model.w, penalty, own, model.alpha, model.H, SWEEPS)

    return model.alternate(sweeps, _newton)


def _newton(model):
    """One step on the coefficients that are not 0; what it gained."""
    penalty, w = model.penalty, model.w
    used, slope, curvature = penalty.face(w, model.alpha)
    if not len(used):
        return 0.0
    residual = model.H * model.g[used] - slope
    d = _direction(model.H * model.G[np.ix_(used, used)], residual, curvature)
    if d is None or not dot(residual, d) > 0:
        return 0.0
    for t in STEPS:
        trial = w.copy()
        trial[used] += t * d
        gained = model.move(penalty.stay(w, trial))
        if gained > 0:
            return gained
    return 0.0


def _direction(face, residual, curvature):
    """Newton's direction; without the penalty's concave part where it would lead nowhere."""
    ridge = RIDGE * np.diagonal(face).max()
    for part in (curvature, np.maximum(curvature, 0) if curvature.ndim == 1 else 0.0):
        M = face + part if np.ndim(part) == 2 else face + np.diag(np.broadcast_to(part, len(face)))
        M[np.diag_indices_from(M)] += ridge
        try:
            return cho_solve(cho_factor(M, lower=True, overwrite_a=True), residual)
        except LinAlgError:
            continue
    return None


def _sorted(model):
    step = 1 / (model.H * max(_largest(model.G), 1e-300))
    return model.alternate(lambda: _accelerated(model, step), _clusters)


def _accelerated(model, step):
    """Prox-gradient steps, restarted where they turn against the gradient; what they gained."""
    penalty, G, H, alpha = model.penalty, model.G, model.H, model.alpha
    w = z = model.w.copy()
    gw = gz = model.g.copy()
    t = 1.0
    for _ in range(GRADIENT_STEPS):
        new = penalty.prox(z + step * H * gz, step, alpha)
        move = new - w
        gnew = gw - np.einsum("ij,j->i", G, move)
        if dot(z - new, move) > 0:
            t, w, gw, z, gz = 1.0, new, gnew, new, gnew
            continue
        later = 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        beta = (t - 1) / later
        w, gw, t, z, gz = new, gnew, later, new + beta * move, gnew + beta * (gnew - gw)
    return model.move(w)


def _clusters(model):
    """A Newton step on the sizes of the clusters, of coefficients that are equal but for signs; what it gained."""
    w, penalty = model.w, model.penalty
    used = np.flatnonzero(w)
    if not len(used):
        return 0.0
    used = used[np.argsort(-np.abs(w[used]), kind="stable")]
    size, signs = np.abs(w[used]), np.sign(w[used])
    starts = np.flatnonzero(np.concatenate([[True], size[1:] < size[:-1]]))
    face = model.G[np.ix_(used, used)] * np.outer(signs, signs)
    face = model.H * np.add.reduceat(np.add.reduceat(face, starts, axis=0), starts, axis=1)
    slope = model.H * signs * model.g[used] - model.alpha * penalty.weights[: len(used)]
    residual = np.add.reduceat(slope, starts)
    d = _direction(face, residual, np.zeros(len(starts)))
    if d is None or not dot(residual, d) > 0:
        return 0.0
    counts = np.diff(np.append(starts, len(used)))
    for t in STEPS:
        trial = np.zeros(len(w))
        trial[used] = signs * np.repeat(np.maximum(size[starts] + t * d, 0.0), counts)
        gained = model.move(trial)
        if gained > 0:
            return gained
    return 0.0


def _largest(G):
    """A bound of the largest eigenvalue from above, near it: power iteration, and the bound of row sums."""
    x = np.random.default_rng(0).standard_normal(len(G))  # not 1: opposite columns would make nothing of it
    value = 0.0
    for _ in range(30):
        y = np.einsum("ij,j->i", G, x)
        size = np.sqrt(dot(y, y))
        if size == 0:
            return 0.0
        value, x = size / np.sqrt(dot(x, x)), y / size
    return min(1.05 * value, float(np.abs(G).sum(axis=1).max()))


MINIMISERS = {FeatureSeparable: _features, FeatureGroups: _groups, FeatureSorted: _sorted}
