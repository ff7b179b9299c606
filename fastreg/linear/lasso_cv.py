"""LassoCV and ElasticNetCV."""

from fastreg._docs import documented
from fastreg.linear._cv import CV_CONSTRAINTS, SINGLE_TARGET_CONSTRAINTS, PathCV
from fastreg.linear.paths import enet_path, lasso_path
from fastreg.model_selection import RATIO_CONSTRAINTS


@documented
class LassoCV(PathCV):
    """Lasso with alpha chosen by cross-validation.

    The objective of one fit is that of `Lasso`. All folds share one pass over X where its shape allows.

    Parameters
    ----------
    {eps}
    {alphas}
    {fit_intercept}
    precompute : 'auto', bool or array-like, default='auto'
        Makes no difference: whether to work on X'X is the solver's choice.
    {sweeps_each}
    {tol}
    {copy_X}
    {cv}
    verbose : bool or int, default=False
        Makes no difference.
    {n_jobs}
    {positive}
    {random_state_cv}
    {selection}
    {factor_alpha}
    {bounds}
    {standardize_folds}
    {rule}
    {adaptive_folds}
    {relax_folds}

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    coef_ : ndarray of shape (n_features,)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    alphas_ : ndarray of shape (n_alphas,)
        The grid, decreasing.
    {criterion}
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        (Weighted) mean squared error of the test rows.
    {cv_results}
    {gap_all}
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = CV_CONSTRAINTS | SINGLE_TARGET_CONSTRAINTS

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        copy_X=True,
        cv=None,
        verbose=False,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        rule="min",
        adaptive=None,
        relax=1.0,
    ):
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.rule = rule
        self.adaptive = adaptive
        self.relax = relax


@documented
class ElasticNetCV(PathCV):
    """Elastic net with alpha and l1_ratio chosen by cross-validation.

    The objective of one fit is that of `ElasticNet`. All folds share one pass over X where its shape allows.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=0.5
        Share of the L1 penalty, between 0 and 1. Of several, cross-validation chooses one.
    {eps}
    {alphas}
    {fit_intercept}
    precompute : 'auto', bool or array-like, default='auto'
        Makes no difference: whether to work on X'X is the solver's choice.
    {sweeps_each}
    {tol}
    {cv}
    {copy_X}
    verbose : bool or int, default=0
        Makes no difference.
    {n_jobs}
    {positive}
    {random_state_cv}
    {selection}
    {factor_alpha}
    {bounds}
    {standardize_folds}
    {rule}
    {adaptive_folds}
    {relax_folds}

    Attributes
    ----------
    alpha_ : float
        The alpha chosen.
    l1_ratio_ : float
        The l1_ratio chosen.
    coef_ : ndarray of shape (n_features,)
        Of the fit on all rows; float32 for float32 X.
    sparse_coef_ : sparse CSR of shape (1, n_features)
    intercept_ : float
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        The grid, decreasing.
    {criterion}
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        (Weighted) mean squared error of the test rows.
    {cv_results}
    {gap_all}
    n_iter_ : int
    {converged}
    {fitted}
    """

    _parameter_constraints: dict = CV_CONSTRAINTS | SINGLE_TARGET_CONSTRAINTS | RATIO_CONSTRAINTS

    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        cv=None,
        copy_X=True,
        verbose=0,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        rule="min",
        adaptive=None,
        relax=1.0,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.rule = rule
        self.adaptive = adaptive
        self.relax = relax
