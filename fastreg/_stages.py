"""Fits in two stages: penalties adapted to a first fit (Zou, 2006), and refits on the support (Meinshausen, 2007)."""

from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastreg._validation import check_finite_solution
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import FoldPaths, Path

STAGE_CONSTRAINTS = {
    "adaptive": [StrOptions({"own", "ridge"}), None],
    "relax": [Interval(Real, 0, 1, closed="both")],
}


def _sizes(coefs, scale):
    """Of each feature's coefficients, (K, p) or (K, n_classes, p), as the penalty sees them: (K, p).

    Of several classes a feature's norm about their mean counts: a shift of all classes changes no prediction, and under
    L1 it may be any of several.
    """
    return scale * (np.abs(coefs) if coefs.ndim == 2 else np.linalg.norm(coefs - coefs.mean(axis=1)[:, None], axis=1))


@dataclass
class StagedPath(Path):
    """A Path whose fits have stages.

    Certificates are those of the penalised fits, the Path ``penalised``, under ``penalties``, one an alpha. ``coefs``
    and ``intercepts`` are ``relax`` times theirs and ``1 - relax`` times those of the refits; of these ``refits`` has
    (design, Path, penalty), one an alpha, None where no feature is selected, or without refits nothing.
    """

    penalised: Path | None = None
    penalties: list = ()
    refits: list = ()
    relax: float = 1.0

    def last(self):
        """The StagedPath of its last alpha."""
        stages = {"penalised": self.penalised.last(), "penalties": self.penalties[-1:], "refits": self.refits[-1:]}
        return replace(super().last(), **stages)


def staged_path(solve, design, alphas, penalty, adaptive=None, relax=1.0, coef_init=None, each=None):
    """Fits in stages for each alpha: the first fit, the one under the penalty adapted to it, the refit.

    Parameters
    ----------
    solve : callable
        ``solve(design, alphas, penalty, coef_init=None)`` returns a Path.
    design : Design, or the Moments of a fold
    alphas : ndarray of shape (n_alphas,)
        Decreasing.
    penalty : FeatureL1L2, FeatureSeparable, FeatureGroups or FeatureSorted
        In the units of X (of Moments: X̃).
    adaptive : {'own', 'ridge'} or None
    relax : float
    coef_init : ndarray of the shape of coefficients, optional
        Where the penalised fit of the first alpha starts.
    each : callable, optional
        ``each(design, alphas, penalties)`` returns the Path of fits with a penalty for each alpha, made at the same
        time; without it they are made by `solve`, each from the one before.

    Returns
    -------
    StagedPath

    Raises
    ------
    ValueError
        A penalty that can't be adapted, or a fit that overflowed.
    """
    penalties = [penalty] * len(alphas)
    if adaptive is None:
        path = solve(design, alphas, penalty, coef_init=coef_init)
    elif not penalty.adapts:
        raise ValueError(
            f"adaptive={adaptive!r} divides what L1, L2 and GroupL1 charge on each feature or group; for MCP, SCAD, "
            "ExpAbs and SLOPE leave it None, or take penalty='l1'."
        )
    else:
        first = penalty
        if adaptive == "ridge":
            first = FeatureL1L2(penalty.p, 0.0, penalty.factor, *penalty.limits())
        coefs = solve(design, alphas, first).dense_coefs()
        check_finite_solution(coefs)
        penalties = penalty.adapted(_sizes(coefs, design.scale))
        if each is None:
            path = _one_by_one(solve, design, alphas, penalties, coef_init)
        else:
            path = each(design, alphas, penalties)
    path.coefs = path.dense_coefs()
    check_finite_solution(path.coefs, path.intercepts)
    staged = StagedPath(**vars(path), penalised=path, penalties=penalties, relax=relax)
    if relax < 1:
        _relax(solve, design, penalty, staged)
    return staged


def _one_by_one(solve, design, alphas, penalties, start):
    """Fits under a penalty for each alpha, as one Path."""
    parts = []
    for k, own in enumerate(penalties):
        start = None if start is None else np.clip(start, own.lower, own.upper)
        part = solve(design, alphas[k : k + 1], own, coef_init=start)
        part.coefs = part.dense_coefs()
        start = part.coefs[0]
        parts.append(vars(part))
    names = [name for name, value in parts[0].items() if name not in ("alphas", "null") and value is not None]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Path(alphas, null=parts[0]["null"], **joined)


def _relax(solve, design, penalty, path):
    """Blend with refits on the features selected, which only bounds hold; alphas that select the same share one."""
    path.coefs, path.intercepts, path.refits = path.coefs.copy(), path.intercepts.copy(), [None] * len(path.alphas)
    coefs = path.penalised.coefs
    groups = {}
    for k, used in enumerate(coefs.any(axis=1) if coefs.ndim == 3 else coefs != 0):
        groups.setdefault(used.tobytes(), []).append(k)
    for key, same in groups.items():
        support = np.flatnonzero(np.frombuffer(key, dtype=bool))
        if not len(support):
            continue
        part, free = design.part(support), FeatureL1L2(len(support), 1.0, None, *penalty.limits(support))
        refit = solve(part, np.zeros(1), free)
        coef, intercept = refit.dense_coefs()[0], refit.intercepts[0]
        for k in same:
            path.refits[k] = part, refit, free
            path.coefs[k][..., support] = path.relax * coefs[k][..., support] + (1 - path.relax) * coef
            path.intercepts[k] = path.relax * path.intercepts[k] + (1 - path.relax) * intercept
    check_finite_solution(path.coefs, path.intercepts)


def stages_of(path, design, penalty):
    """(design, Path, penalty) of each fit in a path of one, the one whose certificate counts last."""
    if not isinstance(path, StagedPath):
        return [(design, path, penalty)]
    return [*filter(None, path.refits), (design, path.penalised, path.penalties[0])]


def staged_fold_paths(solve, design, sample_weight, folds, alphas, penalties, *, offset=None, measure, **stages):
    """As `glm_fold_paths`, every stage on a fold's training rows alone.

    Parameters
    ----------
    solve, design
        As for `staged_path`; the design's own weights are not used.
    sample_weight, folds, alphas, penalties, offset, measure
        As for `glm_fold_paths`.
    **stages
        adaptive, relax.

    Returns
    -------
    FoldPaths
    """
    weight = np.ones(design.n) if sample_weight is None else sample_weight
    alphas = np.broadcast_to(alphas, (len(folds), len(penalties), np.shape(alphas)[-1]))
    paths, scores = [], np.empty(alphas.shape)
    for k, (train, test) in enumerate(folds):
        part = design.fold(train, weight)
        paths.append([])
        for i, penalty in enumerate(penalties):
            path = staged_path(solve, part, np.ascontiguousarray(alphas[k, i]), penalty, **stages)
            paths[k].append(path)
            if measure is not None:
                raw = part.predict(path.coefs, path.intercepts, test)
                scores[k, i] = measure(k, raw if offset is None else raw + offset[test])
    return FoldPaths.of(paths, None if measure is None else scores)


class Staged:
    """An estimator whose fits may have stages: it has the parameters `adaptive` and `relax`, or neither."""

    @property
    def _staged(self):
        return getattr(self, "adaptive", None) is not None or getattr(self, "relax", 1) < 1

    def _stages(self, solve, design, alphas, penalty, **start):
        """The Path of `solve`, or the StagedPath."""
        if not self._staged:
            return solve(design, alphas, penalty, **start)
        return staged_path(solve, design, alphas, penalty, self.adaptive, self.relax, **start)
