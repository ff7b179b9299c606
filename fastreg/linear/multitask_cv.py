"""MultiTaskLassoCV and MultiTaskElasticNetCV."""

from fastreg._docs import documented
from fastreg.linear._cv import CV_CONSTRAINTS, PathCV
from fastreg.linear.paths import enet_path, lasso_path
from fastreg.model_selection import RATIO_CONSTRAINTS


@documented
class MultiTaskLassoCV(PathCV):
    """Multi-task lasso with alpha chosen by cross-validation.

    The objective of one fit is that of `MultiTaskLasso`. All folds share one pass over X where its shape
    allows.

    Parameters
    ----------
    {eps}
    {alphas}
    {fit_intercept}
    {sweeps_each}
    {tol}
    {copy_X}
    {cv}
    verbose : bool or int, default=False
        Makes no difference.
    {n_jobs}
    {random_state_cv}
    {selection}
    {factor_alpha}
    {standardize_folds}
    {rule_folds}

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    coef_ : ndarray of shape (n_targets, n_features)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : ndarray of shape (n_targets,)
    alphas_ : ndarray of shape (n_alphas,)
        The grid, decreasing.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        (Weighted) mean squared error of the test rows.
    {cv_results}
    {gap_all}
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = CV_CONSTRAINTS
    _multitask = True

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-4,
        copy_X=True,
        cv=None,
        verbose=False,
        n_jobs=None,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        standardize=False,
        rule="min",
    ):
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.rule = rule


@documented
class MultiTaskElasticNetCV(PathCV):
    """Multi-task elastic net with alpha and l1_ratio chosen by cross-validation.

    The objective of one fit is that of `MultiTaskElasticNet`. All folds share one pass over X where its shape
    allows.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=0.5
        Share of the L1 penalty, between 0 and 1. Of several, cross-validation chooses one.
    {eps}
    {alphas}
    {fit_intercept}
    {sweeps_each}
    {tol}
    {cv}
    {copy_X}
    verbose : bool or int, default=0
        Makes no difference.
    {n_jobs}
    {random_state_cv}
    {selection}
    {factor_alpha}
    {standardize_folds}
    {rule_folds}

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    l1_ratio_ : float
        The l1_ratio chosen.
    coef_ : ndarray of shape (n_targets, n_features)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (n_targets, n_features)
    intercept_ : ndarray of shape (n_targets,)
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, decreasing.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        (Weighted) mean squared error of the test rows.
    {cv_results}
    {gap_all}
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = CV_CONSTRAINTS | RATIO_CONSTRAINTS
    _multitask = True

    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-4,
        cv=None,
        copy_X=True,
        verbose=0,
        n_jobs=None,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        standardize=False,
        rule="min",
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.standardize = standardize
        self.rule = rule
