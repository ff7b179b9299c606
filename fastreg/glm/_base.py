"""What generalised linear models share: the problem, labels, probabilities, the warning."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from fastreg._linear_model import LinearDecisions, SparseLinearModel, warn_not_converged
from fastreg._stages import Staged, stages_of
from fastreg._validation import check_bounds, check_finite_solution, check_fit_data, check_offset
from fastreg.losses import Logistic, Softmax
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import solve_glm, solve_multinomial


class LinearPredictor(Staged, SparseLinearModel):
    """An estimator whose raw predictions are ``X @ coef + intercept + offset``, fitted by prox-Newton."""

    def _problem(self, X, sample_weight, l1_ratio):
        """Design and penalty."""
        bounds = check_bounds(X.shape[1], self.penalty_factor, self.lower, self.upper)
        design = self._design(X, sample_weight)
        return design, FeatureL1L2(X.shape[1], l1_ratio, *bounds)

    def _solver(self, loss, y, offset=None, n_classes=2):
        """``solve(design, alphas, penalty, coef_init=None)``: the Path."""
        options = {"offset": offset, "tol": self.tol, "max_iter": max(1, self.max_iter)}

        def solve(design, alphas, penalty, **start):
            with np.errstate(all="ignore"):  # overflow shows in the result
                if n_classes > 2:
                    return solve_multinomial(design, y, n_classes, alphas, penalty, **options, **start)
                return solve_glm(design, loss, y, alphas, penalty, **options, **start)

        return solve

    def _set_path(self, path, X):
        """Coefficients and intercept of a path of one."""
        dtype = self._dtype(X)
        with np.errstate(over="ignore"):  # the certificate refuses infinity
            self.coef_ = path.dense_coefs()[0].astype(dtype)
            self.intercept_ = dtype(path.intercepts[0]) if self.fit_intercept else 0.0

    @staticmethod
    def _endless(path, design, penalty, perfect):
        """Whether a fit could be better without end: ``perfect()``, and twice the coefficients cost nothing more."""
        coef = np.atleast_2d(path.dense_coefs()[0])
        if not coef.any() or (2 * coef < penalty.lower).any() or (2 * coef > penalty.upper).any():
            return False
        inner = coef * design.scale
        inner /= min(np.abs(inner).max(), 1.0)  # of what is tiny anything is charged little
        costs = sum(penalty.value(2 * w, path.alphas[0]) - penalty.value(w, path.alphas[0]) for w in inner)
        return bool(costs <= 1e-15 * path.null and perfect())

    def _certify(self, path, design, penalty, perfect, stacklevel=4):
        """Set the certificate of a path of one, the penalised fit's, and warn of each of its fits; iterations.

        ``perfect(path, design, penalty)`` says of a fit whether it could be better without end.
        """
        for part, one, charge in stages_of(path, design, penalty):
            n_iter = self._certify_one(one, perfect(one, part, charge), stacklevel)
        return n_iter

    def _certify_one(self, path, perfect, stacklevel):
        """Set the certificate; warn where it is short of what was asked for, or has no optimum."""
        gap, n_iter = float(path.dual_gaps[0]), int(path.n_iters[0])
        check_finite_solution(self.coef_, np.asarray(self.intercept_), gap)
        self.dual_gap_, self.converged_ = gap, bool(path.converged[0])
        if not self.converged_:
            advice = self._no_end if perfect else None
            warn_not_converged(self, gap, path.null, n_iter, advice=advice, stacklevel=stacklevel + 1)
        elif perfect:
            warnings.warn(f"{type(self).__name__}: {self._no_end}", ConvergenceWarning, stacklevel=stacklevel)
        return n_iter

    _no_end = (
        "The fit is perfect, and would be better still with larger coefficients, on which nothing is charged: there is "
        "no optimum. Penalise them (MCP and SCAD charge nothing more on large ones), or take the predictions for what "
        "they are, certainties."
    )


def _plain_labels(y):
    """Whether labels need no second look: whole numbers in an array."""
    if type(y) is not np.ndarray or y.ndim != 1:
        return False
    return y.dtype.kind in "iub" or (y.dtype.kind == "f" and np.isfinite(y.sum()) and bool((y == np.trunc(y)).all()))


class LinearClassifier(LinearPredictor, LinearDecisions):
    """A linear classifier: what the classes share."""

    def _is_logistic(self):
        """Whether the raw predictions are logarithms of odds."""
        return True

    def _check_data(self, X, y, sample_weight, offset):
        """(X, y, class numbers, classes, sample weights, the same times those of classes, offset), checked."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        if not _plain_labels(y):
            with np.errstate(all="ignore"):  # infinity is cast before it is refused
                check_classification_targets(y)
            y = column_or_1d(y, warn=True)
        classes, coded = np.unique(y, return_inverse=True)
        X, coded, sample_weight = check_fit_data(self, X, coded.astype(np.float64), sample_weight, scalar_weight=True)
        if len(classes) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 classes, but y has one class only: {classes[0]}.")
        weight = sample_weight
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=sample_weight)
            each = each[coded.astype(np.intp)]
            weight = each if sample_weight is None else sample_weight * each
        offset = check_offset(offset, X.shape[0], len(classes))
        return X, y, coded, classes, sample_weight, weight, offset

    def _set_coef(self, coef, intercept, classes, dtype):
        self.classes_ = classes
        with np.errstate(over="ignore"):  # the certificate refuses infinity
            self.coef_ = np.atleast_2d(coef).astype(dtype)
            intercept = np.atleast_1d(intercept).astype(dtype)
        self.intercept_ = intercept if self.fit_intercept else np.zeros_like(intercept)

    def _separated(self, coded, offset, path, design, penalty):
        """Whether no row that counts is on the wrong side, and nothing stops coefficients from growing."""

        def all_right():
            raw = design.raw(np.atleast_2d(path.dense_coefs()[0]), path.intercepts[0])
            raw = raw if offset is None else raw + offset.reshape(raw.shape)
            right = (raw[:, 0] > 0 if raw.shape[1] == 1 else raw.argmax(axis=1)) == coded
            return right[design.weights > 0].all()

        return self._is_logistic() and self._endless(path, design, penalty, all_right)

    @available_if(lambda model: model._is_logistic())
    def predict_proba(self, X):
        """Probabilities of the classes, in the order of `classes_`; for the logistic loss.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        raw = self.decision_function(X)
        return Softmax().predict(raw) if raw.ndim == 2 else Logistic().predict(np.column_stack([-raw, raw]))

    @available_if(lambda model: model._is_logistic())
    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`, also where that rounds to 0.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        raw = self.decision_function(X)
        raw = np.column_stack([0 * raw, raw]) if raw.ndim == 1 else raw
        return raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
