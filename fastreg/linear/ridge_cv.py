"""RidgeCV."""

from sklearn.utils.metadata_routing import _raise_for_params

from fastreg._docs import documented
from fastreg._validation import check_fit_data, check_params
from fastreg.linear._base import LinearRegressor
from fastreg.linear._ridge_search import INNER_NAMES, RIDGE_CV_CONSTRAINTS, RidgeSearch
from fastreg.linear.ridge import Ridge


@documented
class RidgeCV(RidgeSearch, LinearRegressor):
    """Ridge with alpha chosen by exact leave-one-out (the default) or by cross-validation.

    The objective, at the chosen alpha, is that of `Ridge`.

    Parameters
    ----------
    {candidates}
    {fit_intercept}
    scoring : str, callable or None, default=None
        None: the negative mean squared error for leave-one-out, R² for `cv`, as in scikit-learn.
    cv : None, int, splitter or iterable of (train, test), default=None
        None is leave-one-out: all alphas from one eigendecomposition.
    gcv_mode : {'auto', 'svd', 'eigen'}, default='auto'
        Accepted for scikit-learn's sake, makes no difference: the shape of X decides.
    {store_cv_results}
    alpha_per_target : bool, default=False
        With leave-one-out, choose an alpha for each target.
    {factor_alpha}
    lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients, ``lower <= 0 <= upper``; they need `cv`.
    standardize : bool, default=False
        Penalise the coefficients of the features divided by their (weighted) standard deviation (without an
        intercept: root mean square), that of the training rows with `cv` and of all rows with leave-one-out.
    rule : {'min', '1se'}, default='min'
        'min' takes the best score; '1se' the largest alpha within one standard error of it (over folds, or
        over the rows' squared errors).

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
    best_score_ : float or ndarray of shape (n_targets,)
        The score at `alpha_`.
    cv_results_ : ndarray of shape (n_samples[, n_targets], n_alphas), or dict
        With ``store_cv_results=True``: weighted squared errors, or predictions if `scoring` is given. With
        `cv`, a dict of arrays over the grid: alphas, score, mean_score, std_score, se_score and, unless the
        search was scikit-learn's, the same for mse.
    coef_, intercept_, dual_gap_, n_iter_, converged_, solver_, n_features_in_, feature_names_in_
        As in `Ridge`, for the final fit.

    Notes
    -----
    As in scikit-learn, sample weights multiply the leave-one-out errors, and with `cv` weigh the fits and the
    scores, where the scorer takes weights. A search runs as scikit-learn's GridSearchCV over `Ridge` when
    `scoring` is a callable, under bounds, and with metadata routing.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastreg import RidgeCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> RidgeCV(alphas=[1e-3, 1e-2, 1e-1, 1]).fit(X, y).alpha_
    0.01
    """

    _parameter_constraints: dict = RIDGE_CV_CONSTRAINTS
    _default_scorer = "r2"

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        gcv_mode=None,
        store_cv_results=False,
        alpha_per_target=False,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        rule="min",
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.rule = rule

    def fit(self, X, y, sample_weight=None, **params):
        """Choose alpha, then fit all rows with it.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : float or array-like of shape (n_samples,), default=None
        **params : dict
            Metadata for the scorer and the splitter, with scikit-learn's metadata routing enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a fit that overflowed.
        """
        _raise_for_params(params, self, "fit")
        check_params(self)
        X, y, sample_weight = check_fit_data(self, X, y, sample_weight, scalar_weight=True)
        return self._search(X, y, sample_weight, params)

    def _inner(self):
        return Ridge(**{name: getattr(self, name) for name in INNER_NAMES})

    def _classes(self):
        return None

    def _truth(self, y):
        return y
