"""What generalised linear models share: the extra parameters, offsets, the call of the solver, the warning."""

import warnings
from numbers import Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from fastreg._linear_model import SparseLinearModel
from fastreg._validation import check_bounds, check_finite_solution
from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2

LEAST = 1e-15  # strengths from which none is too small to be felt
EXTRA_CONSTRAINTS = {
    "penalty_factor": ["array-like", None],
    "lower": [Real, "array-like", None],
    "upper": [Real, "array-like", None],
    "standardize": ["boolean"],
}


class LinearPredictor(SparseLinearModel):
    """An estimator whose raw predictions are ``X @ coef + intercept + offset``, fitted by prox-Newton."""

    def _check_offset(self, offset, X):
        """None, or float64 of shape (n_samples,)."""
        if offset is None:
            return None
        offset = check_array(offset, ensure_2d=False, dtype=np.float64, input_name="offset")
        if offset.shape != (X.shape[0],):
            raise ValueError(f"offset has shape {offset.shape}, but X has {X.shape[0]} rows; pass one number a row.")
        return np.ascontiguousarray(offset)

    def _problem(self, X, sample_weight, l1_ratio):
        """Design and penalty."""
        lower, upper = getattr(self, "lower", None), getattr(self, "upper", None)  # quantiles have no bounds
        bounds = check_bounds(X.shape[1], self.penalty_factor, lower, upper)
        design = Design(X, sample_weight, fit_intercept=self.fit_intercept, standardize=self.standardize)
        return design, FeatureL1L2(X.shape[1], l1_ratio, *bounds)

    @staticmethod
    def _felt(alpha, design):
        """Alpha, or 0 where the rounding of correlations, squared and divided by it, would be all of the gap."""
        return alpha if alpha > LEAST or alpha > LEAST**2 * design.sq_norms.max() else 0.0

    def _certify(self, path, perfect, stacklevel=3):
        """Set the certificate of a path of one; warn where it is short of what was asked for, or has no optimum."""
        gap, n_iter = float(path.dual_gaps[0]), int(path.n_iters[0])
        check_finite_solution(path.coefs[0], path.intercepts[0], gap)
        self.dual_gap_, self.converged_ = gap, bool(path.converged[0])
        if not self.converged_:
            if perfect:
                advice = self._no_end
            elif n_iter >= self.max_iter:
                advice = "Increase max_iter or tol, put the features on one scale (standardize=True), or penalise more."
            else:
                advice = "Rounding is in the way: increase tol or penalise more."
            warnings.warn(
                f"{type(self).__name__} did not converge: relative duality gap {gap / path.null:.1e} after {n_iter} "
                f"iterations, tol={self.tol:g}. {advice}",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )
        elif perfect:
            warnings.warn(f"{type(self).__name__}: {self._no_end}", ConvergenceWarning, stacklevel=stacklevel)
        return n_iter

    _no_end = (
        "The fit is perfect, and would be better still with larger coefficients: without a penalty there is no "
        "optimum. Penalise, or take the predictions for what they are, certainties."
    )


def log_probabilities(raw):
    """Logarithms of the classes' probabilities, from raw predictions (n,) of the second of two or (n, K)."""
    raw = np.column_stack([0 * raw, raw]) if raw.ndim == 1 else raw
    return raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
