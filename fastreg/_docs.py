"""Texts that the docstrings of linear and generalised linear models share: {name} in a docstring stands for one."""

TEXTS = {
    "no_difference": "Accepted for scikit-learn's sake, makes no difference.",
    "tol": """tol : float, default=1e-4
        The relative duality gap to reach, ``dual_gap_ <= tol * P(0)``, with P(0) the objective of the best
        constant.""",
    "penalty_factor": """penalty_factor : array-like of shape (n_features,), default=None
        Per-feature multiplier of the penalty; 0 leaves a feature unpenalised. Used as it is, not rescaled.""",
    "bounds": """lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients, ``lower <= 0 <= upper``, in the units of X.""",
    "standardize": """standardize : bool, default=False
        Penalise the coefficients of the features divided by their (weighted) standard deviation (without an
        intercept: root mean square). `coef_` comes back in the units of X.""",
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
    "fitted": """n_features_in_, feature_names_in_
        As in scikit-learn.""",
}


def documented(described):
    """Put the shared texts into the docstring of a class or function."""
    if described.__doc__ is not None:  # python -OO
        for name, text in TEXTS.items():
            described.__doc__ = described.__doc__.replace("{" + name + "}", text)
    return described
