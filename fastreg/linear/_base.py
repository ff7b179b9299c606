"""What linear regressors share: prediction, one fit by the path solver."""

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin

from fastreg._linear_model import DEFAULT_MAX_ITER, LinearValues, SparseLinearModel, warn_not_converged
from fastreg._stages import Staged, stages_of
from fastreg._validation import check_bounds, check_finite_solution
from fastreg.solvers import solve_path


class LinearRegressor(LinearValues, MultiOutputMixin, BaseEstimator):
    """A regressor with `coef_` and `intercept_`, of one target or several."""


class SparseLinearRegressor(Staged, SparseLinearModel, LinearRegressor):
    """A linear regressor fitted by the path solver under an L1 + L2 penalty."""

    def _bounds(self, n_features):
        values = vars(self)  # the multi-task estimators have no bounds
        return check_bounds(
            n_features,
            self.penalty_factor,
            values.get("lower"),
            values.get("upper"),
            values.get("positive", False),
        )

    def _solver(self, y, multitask=False):
        """``solve(design, alphas, penalty, coef_init=None)``: the Path."""
        options = {"tol": self.tol, "max_iter": self.max_iter or DEFAULT_MAX_ITER, "multitask": multitask}
        return lambda design, alphas, penalty, **start: solve_path(design, y, alphas, penalty, **options, **start)

    def _fit_one_alpha(self, design, y, alpha, penalty, *, coef_init=None, multitask=False):
        """Solve for one alpha and set the fitted attributes.

        Parameters
        ----------
        design : Design
        y : ndarray of float64 of shape (n_samples,) or (n_samples, n_targets)
        alpha : float
        penalty : FeatureL1L2
        coef_init : None or ndarray of shape (n_features,) or (n_targets, n_features)
        multitask : bool
            One row-sparse problem for all targets, instead of one problem a target.

        Returns
        -------
        Path
            Of length one.
        """
        with np.errstate(all="ignore"):  # overflow shows in the result
            solve = self._solver(y, multitask)
            path = self._stages(solve, design, np.array([alpha], dtype=np.float64), penalty, coef_init=coef_init)
            coef = path.dense_coefs()[0]
            coef, intercept = (part.astype(self._dtype(design.X)) for part in (coef, path.intercepts[0]))
        gap, n_iter, converged = path.dual_gaps[0], path.n_iters[0], path.converged[0]
        check_finite_solution(coef, intercept, gap)
        self.intercept_ = intercept if self.fit_intercept else 0.0
        if np.ndim(gap) == 0:
            self.dual_gap_, self.n_iter_, self.converged_ = gap, int(n_iter), bool(converged)
        elif len(gap) == 1:  # y was a column
            coef = coef[0]
            self.dual_gap_, self.n_iter_, self.converged_ = gap[0], int(n_iter[0]), bool(converged[0])
        else:
            self.dual_gap_, self.n_iter_, self.converged_ = gap, n_iter.tolist(), converged
        self.coef_ = coef
        if not np.all(converged):
            warn_not_converged(self, gap, path.null, n_iter)
        for _, refit, _ in stages_of(path, design, penalty)[:-1]:
            if not refit.converged[0]:
                warn_not_converged(self, refit.dual_gaps[0], refit.null, refit.n_iters[0])
        return path
