"""Ridge regression: closed forms, leave-one-out and cross-validation grids, each with a certificate.

Units here are scikit-learn's: minimise ``sum_i sw_i (y_i - x_i w - b)² + alpha sum_j factor_j w_j²``. In the
coordinates of the `Design` (weights that sum to 1) that is ``2 total_weight P(w)`` with ``P(w) = ½ sum_i s_i
r_i² + ½ c sum_j f_j w_j²`` and the shift ``c = alpha / total_weight``.

Which system solves it:

===========================  =========================================================================
n >= p                       `Primal`: Gram and Cholesky, or singular values when that is singular
n < p                        `Dual`: row Gram and Cholesky
many different alphas        `PrimalSpectrum`, `DualSpectrum`: one eigendecomposition
sparse X, n and p large      `ConjugateGradient`
bounds                       coordinate descent (`fastreg.solvers.solve_path` with l1_ratio=0)
===========================  =========================================================================
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from fastreg._threads import serial_blas
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers.conjugate_gradient import ConjugateGradient
from fastreg.solvers.path import solve_path
from fastreg.solvers.ridge_dual import Dual
from fastreg.solvers.ridge_spectrum import DualSpectrum, PrimalSpectrum
from fastreg.solvers.ridge_systems import Primal

__all__ = ["LeaveOneOut", "RidgeResult", "loo_ridge", "solve_ridge"]

# Penalties this far below the squared column norms don't reach a float64 Gram; nor does their certificate.
_NEGLIGIBLE = 1e-22
# Direct methods end far below this relative gap, unless rounding of the certificate itself is in the way.
_SWAMPED = 1e-10
_MANY_ALPHAS = 20
_SPARSE_DIRECT = 2000


@dataclass
class RidgeResult:
    """One fit, in the units of X; ``null`` is the objective at zero coefficients, ``method`` the algorithm's name."""

    coef: np.ndarray
    intercept: float | np.ndarray
    dual_gap: float | np.ndarray
    n_iter: int | np.ndarray | None
    converged: bool
    null: float | np.ndarray
    method: str


def solve_ridge(design, y, alpha, factor=None, lower=None, upper=None, *, tol=1e-4, max_iter=None):
    """Fit ridge for one or several targets.

    Parameters
    ----------
    design : Design
    y : ndarray of shape (n,) or (n, n_targets)
        Raw targets, float64.
    alpha : float or array of shape (n_targets,)
        Non-negative, in units of ``||y - Xw||² + alpha ||w||²``. At 0 the answer is the least squares
        solution, of minimum norm where it is not unique.
    factor : None or ndarray of shape (p,)
        Multiplies alpha, feature by feature; 0 leaves a feature unpenalised.
    lower, upper : None, float or ndarray of shape (p,)
        Bounds, ``lower <= 0 <= upper``.
    tol : float
        Relative duality gap that `converged` promises. Direct methods end at rounding; iterative ones aim at
        ``1e-4 * tol``, because a gap is quadratic in the error of the coefficients.
    max_iter : int or None
        For iterative methods only.

    Returns
    -------
    RidgeResult
        `dual_gap` in the units above, one number a target; `n_iter` is None for direct methods.
    """
    if factor is not None and (factor == 1.0).all():
        factor = None
    serial = serial_blas(1.0 * design.n * design.p, min(design.n, design.p))
    with np.errstate(over="ignore", invalid="ignore"), serial:
        if lower is not None or upper is not None:
            return _bounded(design, y, alpha, factor, lower, upper, tol, max_iter)
        if design.n >= design.p:
            centred, y_mean, cross = design.bind(y, gram=True)
            cross = cross.reshape(design.p, -1)
        else:
            (centred, y_mean), cross = design.center(y), None
        columns = centred.reshape(len(centred), -1)
        null = 0.5 * (design.weights @ (columns * columns))
        largest = float(design.sq_norms.max())
        if math.isfinite(largest + null.sum()):
            shift = _shift(design, alpha, factor, largest)
            w, gap, n_iter, method = _solve(design, columns, cross, null, shift, factor, tol, max_iter)
        else:
            w, gap, n_iter, method = np.full((design.p, len(null)), np.nan), null * np.nan, None, ""
    coef, intercept = design.unscale(np.ascontiguousarray(w.T), np.atleast_1d(y_mean))
    return _result(design, y, coef, intercept, gap, n_iter, null, tol, method)


def _shift(design, alpha, factor, largest):
    """alpha / total_weight, a float or an array (T,), with 0 for what is negligible."""
    least = _NEGLIGIBLE * largest / (1.0 if factor is None else max(float(factor.max()), 1e-300)) or np.inf
    shift = np.asarray(alpha, dtype=np.float64) / design.total_weight
    if shift.size > 1:
        return np.where(shift > least, shift, 0.0)
    shift = shift.item()
    return shift if shift > least else 0.0


def _result(design, y, coef, intercept, gap, n_iter, null, tol, method):
    """From coefficients (T, p), and numbers (T,) of P."""
    converged = bool((gap <= tol * null).all())
    unit = 2.0 * design.total_weight
    gap, null = gap * unit, null * unit
    if y.ndim == 1:
        coef, intercept, gap, null = coef[0], intercept[0], gap.item(), null.item()
        n_iter = None if n_iter is None else n_iter.item()
    return RidgeResult(coef, intercept, gap, n_iter, converged, null, method)


def _solve(design, y, cross, null, shift, factor, tol, max_iter):
    """(w (p, T), gaps (T,) of P, iterations, method) for centred y (n, T) and cross = X̃'Sy or None."""
    if factor is not None and not factor.any():
        shift, factor = 0.0, None
    small = min(design.n, design.p)
    if small > _SPARSE_DIRECT and issparse(design.X):
        system = ConjugateGradient(design, factor, min(1e-4 * tol, 1e-6), max_iter or 10 * small)
        shift = np.broadcast_to(shift, null.shape)
        w, gap = _certified(system, y, cross, null, shift, refine=1e-3 * tol)
        return w, gap, system.n_iter, system.method
    if shift.__class__ is float:
        system = (Primal if design.n >= design.p else Dual)(design, factor)
        w, gap = _certified(system, y, cross, null, shift)
        return w, gap, None, system.method
    many = len(set(shift)) > _MANY_ALPHAS and shift.min() > 0
    kinds = (PrimalSpectrum, DualSpectrum) if many else (Primal, Dual)
    system = kinds[design.n < design.p](design, factor)
    w, gap = _by_shift(system, y, cross, null, shift)
    return w, gap, None, system.method


def _by_shift(system, y, cross, null, shifts):
    """`_certified` for each group of targets that share a shift, on one system."""
    w, gap = np.empty((system.design.p, len(null))), np.empty(len(null))
    for shift in np.unique(shifts):
        mine = np.flatnonzero(shifts == shift)
        part, part_cross = np.ascontiguousarray(y[:, mine]), None if cross is None else cross[:, mine]
        w[:, mine], gap[mine] = _certified(system, part, part_cross, null[mine], float(shift))
    return w, gap


def _certified(system, y, cross, null, shift, refine=None):
    """Solve, certify, and refine while that pays: (w, gap)."""
    w = system.fit(y, cross, shift)
    gap, state = system.certify(y, w, shift)
    refine = system.refine if refine is None else refine
    for _ in range(3):
        if (gap <= refine * null).all():
            break
        better, gain = system.correct(w, state, shift)
        fresh, state = system.certify(y, better, shift)
        won, pays = fresh < gap, (fresh < 0.1 * gap).any()
        w, gap = np.where(won, better, w), np.where(won, fresh, gap)
        # A penalty so small that rounding of z over it swamps the bound: take what a Newton step gains.
        gap = np.where(gap > _SWAMPED * null, np.minimum(gap, np.maximum(gain, 0.0)), gap)
        if not (pays and won.all()):
            break
    return w, gap


def _bounded(design, y, alpha, factor, lower, upper, tol, max_iter):
    penalty = FeatureL1L2(design.p, l1_ratio=0.0, factor=factor, lower=lower, upper=upper)
    settings = {"tol": 1e-4 * tol, "max_iter": max_iter or 10000}
    columns = y.reshape(len(y), -1)
    shifts = np.broadcast_to(np.asarray(alpha) / design.total_weight, columns.shape[1:])
    paths = [
        solve_path(design, np.ascontiguousarray(columns[:, t]), shifts[t : t + 1], penalty, **settings)
        for t in range(columns.shape[1])
    ]
    coef = np.concatenate([path.dense_coefs() for path in paths])
    numbers = ([getattr(path, name) for path in paths] for name in ("intercepts", "dual_gaps", "n_iters", "null"))
    return _result(design, y, coef, *map(np.ravel, numbers), tol, "coordinate_descent")


@dataclass
class LeaveOneOut:
    """Leave-one-out errors for a grid of alphas, and the way to the fit at the one that is chosen.

    Attributes
    ----------
    mse : ndarray of shape (n_alphas, n_targets)
        ``mean_i sw_i e_i²``, scikit-learn's convention: the weights multiply, the mean is over rows.
    standard_error : ndarray of shape (n_alphas, n_targets)
        Of `mse`, from the spread of its terms over rows.
    pooled_error : ndarray of shape (n_alphas,)
        The same for the mean of `mse` over targets.
    values : None or ndarray of shape (n, n_targets, n_alphas)
        Per row, if asked for: the terms ``sw_i e_i²``, or the predictions.
    """

    mse: np.ndarray
    standard_error: np.ndarray
    pooled_error: np.ndarray
    values: np.ndarray | None
    _design: object
    _y: np.ndarray
    _system: object

    def fit(self, alpha, tol=1e-4):
        """The certified fit on all rows at alpha, a number or one a target: as `solve_ridge`'s."""
        design = self._design
        centred, y_mean = design.center(self._y)
        columns = centred.reshape(len(centred), -1)
        null = 0.5 * (design.weights @ columns**2)
        shifts = np.broadcast_to(np.asarray(alpha, dtype=np.float64) / design.total_weight, null.shape)
        w, gap = _by_shift(self._system, columns, None, null, shifts)
        coef, intercept = design.unscale(np.ascontiguousarray(w.T), np.atleast_1d(y_mean))
        return _result(design, self._y, coef, intercept, gap, None, null, tol, self._system.method)


def loo_ridge(design, y, alphas, factor=None, *, keep=None):
    """Exact leave-one-out for every alpha from one eigendecomposition and two or three products a row panel.

    Parameters
    ----------
    design : Design
        With standardize=True the scale of the columns is that of all rows.
    y : ndarray of shape (n,) or (n, n_targets)
    alphas : array of shape (n_alphas,)
        Positive, in units of ``||y - Xw||² + alpha ||w||²``.
    factor : None or ndarray of shape (p,)
    keep : None, "errors" or "predictions"
        What to keep for every row, target and alpha; None needs no memory beyond a panel.

    Returns
    -------
    LeaveOneOut
    """
    if factor is not None:
        factor = None if (factor == 1.0).all() else np.asarray(factor, dtype=np.float64)
    shifts = np.asarray(alphas, dtype=np.float64) / design.total_weight
    centred, y_mean = design.center(y)
    columns = centred.reshape(len(centred), -1)
    system = (PrimalSpectrum if design.n > design.p else DualSpectrum)(design, factor)
    with np.errstate(over="ignore", invalid="ignore"):
        mse, *spread, values = _sum_rows(design, system, columns, y_mean, shifts, keep)
    return LeaveOneOut(mse, *spread, values, design, y, system)


def _sum_rows(design, system, columns, y_mean, shifts, keep):
    """(mse, standard_error, pooled_error, values) of `LeaveOneOut`."""
    n, n_targets = columns.shape
    total, squares = np.zeros((2, n_targets, len(shifts)))
    pooled = np.zeros(len(shifts))
    raw = (design.weights * design.total_weight)[:, None, None]
    weighted = bool((np.abs(raw - 1.0) > 1e-15).any())
    values = np.empty((n, n_targets, len(shifts))) if keep else None
    for rows, errors in system.leave_one_out(columns, shifts):
        if keep == "predictions":
            np.subtract(columns[rows, :, None], errors, out=values[rows])
        np.multiply(errors, errors, out=errors)
        if weighted:
            errors *= raw[rows]
        total += errors.sum(axis=0)
        squares += np.einsum("ita,ita->ta", errors, errors)
        if n_targets > 1:
            mean = errors.mean(axis=1)
            pooled += np.einsum("ia,ia->a", mean, mean)
        if keep == "errors":
            values[rows] = errors
    if keep == "predictions":
        if isinstance(system, DualSpectrum) and (design.weights == 0).any():
            _predict_weightless(design, system, columns, shifts, values)
        values += np.reshape(y_mean, (-1, 1))
    mse = total / n
    spread = _standard_error(squares, mse, n).T
    pooled = _standard_error(pooled, mse.mean(axis=0), n) if n_targets > 1 else spread[:, 0]
    return mse.T, spread, pooled, values


def _standard_error(squares, mean, n):
    return np.sqrt(np.maximum(squares / n - mean**2, 0.0) / max(n - 1, 1))


def _predict_weightless(design, system, y, shifts, values):
    """Rows of weight 0 take no part in the dual: leaving them out changes nothing, so predict them."""
    rows = np.flatnonzero(design.weights == 0)
    for a, shift in enumerate(shifts):
        fitted = design.xw(system.fit(y, None, float(shift)))
        values[rows, :, a] = fitted[rows]
