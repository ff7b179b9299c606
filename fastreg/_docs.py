"""Texts that the docstrings of linear and generalised linear models share: {name} in a docstring stands for one."""

from functools import partial

TEXTS = {
    "no_difference": "Accepted for scikit-learn's sake, makes no difference.",
    "tol": """tol : float, default=1e-4
        The relative duality gap to reach, ``dual_gap_ <= tol * P(0)``, with P(0) the objective of the best
        constant.""",
    "glm_tol": """tol : float, default=1e-4
        The relative duality gap to reach, ``dual_gap_ <= tol * P(0)``, with P(0) the objective of the best constant;
        without an intercept, the larger of that and the objective reached.""",
    "penalty_factor": """penalty_factor : array-like of shape (n_features,), default=None
        Per-feature multiplier of the penalty; 0 leaves a feature unpenalised. Used as it is, not rescaled.""",
    "bounds": """lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients, ``lower <= 0 <= upper``, in the units of X.""",
    "standardize": """standardize : bool, default=False
        Penalise the coefficients of the features divided by their (weighted) standard deviation (without an
        intercept: root mean square). `coef_` comes back in the units of X.""",
    "factor_alpha": """penalty_factor : array-like of shape (n_features,), default=None
        Per-feature multiplier of alpha; 0 leaves a feature unpenalised. Used as it is, not rescaled.""",
    "selection": """selection : {'cyclic', 'random'}, default='cyclic'
        Makes no difference: the solver chooses its own order.""",
    "copy_X": """copy_X : bool, default=True
        Makes no difference: X is never written to and never copied.""",
    "warm_start": """warm_start : bool, default=False
        Start from the coefficients of the last fit.""",
    "random_state_cv": """random_state : int, RandomState or None, default=None
        Makes no difference: nothing here is random. A splitter has its own.""",
    "random_state": """random_state : int, RandomState or None, default=None
        Makes no difference: nothing here is random.""",
    "n_jobs": """n_jobs : int or None, default=None
        Makes no difference: the solver uses the threads that OMP_NUM_THREADS or threadpoolctl allow.""",
    "alphas": """alphas : int or array-like of shape (n_alphas,), default=100
        The number of alphas of an automatic grid, or the alphas.""",
    "eps": """eps : float, default=1e-3
        Smallest alpha of an automatic grid, as a share of the largest.""",
    "fit_intercept": """fit_intercept : bool, default=True
        The intercept is exact for sparse X too, and never penalised.""",
    "converged": """converged_ : bool
        Whether the gap asked for was reached.""",
    "cv": """cv : int, splitter or iterable of (train, test), default=None
        None means 5 folds.""",
    "positive": """positive : bool, default=False
        The same as ``lower=0``.""",
    "gap_all": """dual_gap_ : float
        Of the fit on all rows, in units of the objective.""",
    "rule": """rule : {'min', '1se', 'aic', 'bic', 'ebic'}, default='min'
        'min' takes the alpha of the smallest mean error, '1se' the largest alpha whose mean error is within one
        standard error of the smallest. The others take the alpha of the smallest information criterion on all rows,
        ``n log(mse) + c df`` with c = 2, log n and log n + 2 log p, and look at no folds (`cv` makes no difference); n
        is the sum of the weights, and alphas with df > n / 2 are left out.""",
    "criterion": """criterion_, df_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Only with 'aic', 'bic' and 'ebic', which set no `mse_path_`: the criterion (inf where left out) and the degrees
        of freedom, the number of coefficients or, with an L2 part, the trace of the hat matrix.""",
    "adaptive": """adaptive : {'own', 'ridge'} or None, default=None
        Divide the penalty of each feature by the size of its coefficient in a first fit (as a share of the largest):
        'own' is a fit with these same parameters, whose zeros stay zeros, 'ridge' one with ``l1_ratio=0``. The gap is
        that of the second fit.""",
    "relax": """relax : float, default=1.0
        Below 1, the coefficients are ``relax`` times those of the penalised fit plus ``1 - relax`` times those of a fit
        without penalty on the features that it selected (bounds hold). The gap is that of the penalised fit.""",
    "adaptive_folds": """adaptive : {'own', 'ridge'} or None, default=None
        Divide the penalty of each feature by the size of its coefficient in a first fit (as a share of the largest), at
        each alpha and fold on the training rows alone: 'own' is a fit with the same parameters, whose zeros stay zeros,
        'ridge' one with an l1_ratio of 0.""",
    "relax_folds": """relax : float, default=1.0
        Below 1, the coefficients of every fit, of a fold's as well, are ``relax`` times those of the penalised one plus
        ``1 - relax`` times those of a fit without penalty on the features that it selected (bounds hold).""",
    "fitted": """n_features_in_, feature_names_in_
        As in scikit-learn.""",
    "sweeps": """max_iter : int or None, default=1000
        Most passes of coordinate descent; None means the default.""",
    "sweeps_each": """max_iter : int, default=1000
        Most passes of coordinate descent per alpha.""",
    "newton_steps": """max_iter : int, default=100
        Most Newton steps.""",
    "standardize_folds": """standardize : bool, default=False
        Penalise the coefficients of the features divided by their (weighted) standard deviation (without an
        intercept: root mean square), each fold by that of its training rows. `coef_` comes back in the units of X.""",
    "rule_folds": """rule : {'min', '1se'}, default='min'
        'min' takes the alpha of the smallest mean error, '1se' the largest alpha whose mean error is within
        one standard error of the smallest.""",
    "precompute": """precompute : bool or array-like, default=False
        Accepted for scikit-learn's sake, makes no difference: whether to work on X'X is the solver's choice.""",
    "class_weight": """class_weight : dict, 'balanced' or None, default=None
        Weight of each class; 'balanced' is inversely proportional to its (weighted) number of rows.""",
    "groups": """groups : int or array-like of shape (n_features,), default=None
        Of `GroupL1`: a label for each feature, or the size of groups of neighbours.""",
    "candidates": """alphas : array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        The candidates, positive (with `cv`: non-negative).""",
    "store_cv_results": """store_cv_results : bool, default=False
        Keep the leave-one-out values of every row, in `cv_results_`.""",
    "gap": """dual_gap_ : float
        In units of the objective, recomputed once at the end from a fresh residual.""",
    "gap_each": """dual_gap_ : float or ndarray of shape (n_targets,)
        In units of the objective, recomputed once at the end from a fresh residual.""",
    "cv_results": """cv_results_ : dict of ndarray
        `alphas`, `mean_mse`, `std_mse` (over folds), `se_mse` (standard error of the mean), `mse` (per fold,
        last axis); and `l1_ratios`. Of several l1_ratios they have a leading axis.""",
}


def documented(described=None, **more):
    """Put the shared texts, and `more` of some module's own, into the docstring of a class or function."""
    if described is None:
        return partial(documented, **more)
    if described.__doc__ is not None:  # python -OO
        for name, text in (more | TEXTS).items():
            described.__doc__ = described.__doc__.replace("{" + name + "}", text)
    return described
