"""LogisticRegression."""

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.utils._param_validation import Hidden, Interval, StrOptions

from fastreg._callbacks import CallbackSupportMixin, FitTask, with_callbacks
from fastreg._docs import documented
from fastreg._linear_model import EXTRA_CONSTRAINTS
from fastreg._stages import STAGE_CONSTRAINTS
from fastreg._validation import check_params
from fastreg.glm._base import LinearClassifier
from fastreg.losses import Logistic


@documented
class LogisticRegression(LinearClassifier, CallbackSupportMixin, SparseCoefMixin, BaseEstimator):
    """Logistic regression, multinomial for more than two classes, with L1 and L2 penalties.

    Minimises, with weights sw_i = sample_weight_i * class_weight of the row, S their sum and alpha = 1 / (C S)::

        1/S sum_i sw_i log-loss_i + alpha sum_j f_j (l1_ratio |w_j| + (1 - l1_ratio) / 2 w_j^2)

    subject to ``lower <= w <= upper``; f is `penalty_factor`. Without factors and bounds this is scikit-learn's
    objective divided by C S. Every fit ends with a certificate: the optimum is at most `dual_gap_` below the objective
    reached.

    Parameters
    ----------
    penalty : {'l1', 'l2', 'elasticnet', None}
        Deprecated, as in scikit-learn: use `l1_ratio`, and ``C=np.inf`` for no penalty.
    C : float, default=1.0
        Inverse of the penalty's strength; np.inf is no penalty.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, between 0 (ridge) and 1 (lasso).
    dual : bool, default=False
        Makes no difference.
    {glm_tol}
    {fit_intercept}
    intercept_scaling : float, default=1
        Makes no difference.
    {class_weight}
    {random_state}
    solver : str, default='lbfgs'
        Makes no difference: Newton steps on working sets, always.
    max_iter : int, default=100
        Most Newton steps (for more than two classes: of every class).
    verbose : int, default=0
        Makes no difference.
    {warm_start}
    n_jobs : int or None, default=None
        Makes no difference.
    {penalty_factor}
    lower, upper : float or array-like of shape (n_features,), default=None
        Bounds of the coefficients (of every class), ``lower <= 0 <= upper``, in the units of X.
    {standardize}
    {adaptive}
    {relax}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
        float32 for float32 X.
    sparse_coef_ : sparse CSR of the same shape
    intercept_ : ndarray of shape (1,) or (n_classes,)
    dual_gap_ : float
        The optimum is at most so much below the objective above, in its units; made once at the end from fresh
        predictions.
    n_iter_ : ndarray of shape (1,)
    {converged}
    {fitted}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastreg import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> LogisticRegression(l1_ratio=1.0).fit(X, y).predict(X[:2])
    array([0, 0])
    """

    _parameter_constraints: dict = {
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), None, Hidden(StrOptions({"deprecated"}))],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions({"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        **EXTRA_CONSTRAINTS,
        **STAGE_CONSTRAINTS,
    }

    _no_end = (
        "The classes are separated perfectly, and larger coefficients, on which nothing is charged, separate them "
        "better still: there is no optimum. Penalise them (a finite C), or take the predictions for what they are, "
        "certainties."
    )

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="lbfgs",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
        penalty_factor=None,
        lower=None,
        upper=None,
        standardize=False,
        adaptive=None,
        relax=1.0,
    ):
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.penalty_factor = penalty_factor
        self.lower = lower
        self.upper = upper
        self.standardize = standardize
        self.adaptive = adaptive
        self.relax = relax

    def _strength(self):
        """(C, l1_ratio), the deprecated `penalty` understood."""
        l1_ratio = self.l1_ratio
        if self.penalty == "deprecated":
            if l1_ratio is None:
                warnings.warn(
                    "l1_ratio=None is deprecated as in scikit-learn: use l1_ratio=0.", FutureWarning, stacklevel=4
                )
            return self.C, l1_ratio or 0.0
        warnings.warn(
            "'penalty' is deprecated as in scikit-learn: use l1_ratio (0 for 'l2', 1 for 'l1'), and C=np.inf for None.",
            FutureWarning,
            stacklevel=4,
        )
        if self.penalty is None:
            return np.inf, 0.0
        if self.penalty == "elasticnet":
            if l1_ratio is None:
                raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
            return self.C, l1_ratio
        return self.C, 1.0 if self.penalty == "l1" else 0.0

    @with_callbacks
    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Any real dtype and strides; CSC is used as it is, other sparse formats are converted to CSC.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative; a number counts as the weight of every row.
        offset : array-like of shape (n_samples,), of more than two classes (n_samples, n_classes), default=None
            Added to the linear predictor. Predictions are made without.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, a single class, or a fit that overflowed.
        """
        check_params(self)
        C, l1_ratio = self._strength()
        X, y, coded, classes, _, weight, offset = self._check_data(X, y, sample_weight, offset)
        task = FitTask(self, X, y, sample_weight)
        design, penalty = self._problem(X, weight, l1_ratio)
        shape = (X.shape[1],) if len(classes) == 2 else (len(classes), X.shape[1])
        self._fit_one(design, coded, classes, C, penalty, offset, self._start(shape, penalty))
        task.close()
        return self

    def _fit_one(self, design, coded, classes, C, penalty, offset, start):
        """Solve for one C and set the fitted attributes."""
        solve = self._solver(Logistic(), coded, offset, len(classes))
        path = self._stages(solve, design, np.array([1.0 / (C * design.total_weight)]), penalty, coef_init=start)
        self._set_coef(path.dense_coefs()[0], path.intercepts[0], classes, self._dtype(design.X))
        n_iter = self._certify(path, design, penalty, partial(self._separated, coded, offset), stacklevel=6)
        self.n_iter_ = np.array([n_iter], dtype=np.int32)
