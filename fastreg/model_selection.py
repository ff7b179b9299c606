"""Cross-validation and information criteria for every family: folds, degrees of freedom, the choice of alpha.

Their numerics are the solvers'.
"""

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, _routing_enabled, process_routing

from fastreg._criteria import CRITERIA, criteria, degrees_of_freedom, information_criterion
from fastreg.solvers import cv_errors

__all__ = [
    "CRITERIA",
    "GRID_CONSTRAINTS",
    "RATIO_CONSTRAINTS",
    "AlphaSearch",
    "CVErrors",
    "SplitterRouting",
    "choose_alpha",
    "choose_score",
    "criteria",
    "cross_validate_path",
    "degrees_of_freedom",
    "information_criterion",
    "make_folds",
]


# parameters of every search along a grid of alphas
GRID_CONSTRAINTS = {
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "eps": [Interval(Real, 0, None, closed="neither")],
    "cv": ["cv_object"],
    "rule": [StrOptions({"min", "1se", *CRITERIA})],
}
RATIO_CONSTRAINTS = {"l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"]}


@dataclass(frozen=True)
class CVErrors:
    """Test errors along a grid.

    Attributes
    ----------
    alphas : ndarray of shape (n_l1_ratios, n_alphas)
        Decreasing in every row.
    l1_ratios : ndarray of shape (n_l1_ratios,)
    mse : ndarray of shape (n_l1_ratios, n_alphas, n_folds)
        (Weighted) mean squared error, or another loss, of each fold's test rows, averaged over targets.
    """

    alphas: np.ndarray
    l1_ratios: np.ndarray
    mse: np.ndarray

    @cached_property
    def mean(self):
        """Mean over folds, every fold counting the same; shape (n_l1_ratios, n_alphas)."""
        return self.mse.mean(axis=2)

    @cached_property
    def std(self):
        """Standard deviation over folds (divisor n_folds - 1; 0 for a single fold)."""
        if self.mse.shape[2] == 1:
            return np.zeros(self.mse.shape[:2])
        largest = np.abs(self.mse).max() or 1.0  # errors are squares: their squares may overflow
        return (self.mse / largest).std(axis=2, ddof=1) * largest

    @cached_property
    def standard_error(self):
        """Standard error of `mean`."""
        return self.std / np.sqrt(self.mse.shape[2])

    def as_dict(self, name="mse"):
        """Return the arrays for `cv_results_`, without the axis of l1_ratio where there is only one."""
        arrays = {
            "alphas": self.alphas,
            f"mean_{name}": self.mean,
            f"std_{name}": self.std,
            f"se_{name}": self.standard_error,
            name: self.mse,
        }
        if len(self.l1_ratios) == 1:
            arrays = {name: array[0] for name, array in arrays.items()}
        return {"l1_ratios": self.l1_ratios, **arrays}


class SplitterRouting:
    """A cross-validated estimator whose `fit` sends metadata on to the splitter."""

    def _split_params(self, sample_weight, params):
        if not _routing_enabled() or (not params and sample_weight is None):
            return {}
        return process_routing(self, "fit", sample_weight=sample_weight, **params).splitter.split

    def get_metadata_routing(self):
        """Describe where `fit` sends metadata: sample_weight here, the rest to the splitter.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=check_cv(self.cv), method_mapping=MethodMapping().add(caller="fit", callee="split"))
        )


class AlphaSearch(SplitterRouting):
    """An estimator that chooses alpha (and l1_ratio) by the errors of folds or by an information criterion.

    The class says what errors are called in its attributes, ``_error``.
    """

    _error = "mse"

    def _folds(self, X, y, sample_weight, params):
        """The folds; None where `rule` is a criterion, which looks at none."""
        if self.rule in CRITERIA:
            return None
        split_params = self._split_params(sample_weight, params)
        return make_folds(self.cv, X, y, split_params, classifier=is_classifier(self), sample_weight=sample_weight)

    def _choose(self, alphas, ratios, measured):
        """The choice, and the attributes of the search.

        Parameters
        ----------
        alphas : ndarray of shape (n_l1_ratios, n_alphas)
        ratios : ndarray of shape (n_l1_ratios,)
        measured : CVErrors, or (criterion, df) of the shape of `alphas`

        Returns
        -------
        i_ratio, i_alpha : int
        """
        errors = f"{self._error}_path_"
        for name in (errors, "criterion_", "df_"):  # of an earlier fit by another rule
            vars(self).pop(name, None)

        def table(array):
            return array[0] if len(ratios) == 1 else array

        if isinstance(measured, CVErrors):
            setattr(self, errors, table(measured.mse))
            self.cv_results_ = measured.as_dict(self._error)
            at = choose_alpha(measured.mean, measured.standard_error, self.rule)
        else:
            self.criterion_, self.df_ = (table(part) for part in measured)
            self.cv_results_ = {
                "l1_ratios": ratios, "alphas": table(alphas), "df": self.df_, self.rule: self.criterion_
            }  # fmt: skip
            at = choose_alpha(measured[0], np.zeros_like(alphas))
        self.alphas_, self.alpha_ = table(alphas), float(alphas[at])
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = float(ratios[at[0]])
        return at


def make_folds(cv, X, y, split_params=None, *, classifier=False, sample_weight=None):
    """Split into folds and check them, since compiled code trusts its indices.

    Parameters
    ----------
    cv : None, int, splitter or iterable of (train, test)
    X, y : arrays
    split_params : dict, default=None
        Metadata for the splitter, such as groups.
    classifier : bool
        Stratify by default.
    sample_weight : None or ndarray of shape (n_samples,)

    Returns
    -------
    list of (train, test)
        Arrays of row numbers (intp).

    Raises
    ------
    ValueError
        A fold without training or test rows, or none with a positive weight, or a row that does not exist.
    """
    n_samples = X.shape[0]
    folds = []
    for train, test in check_cv(cv, y, classifier=classifier).split(X, y, **(split_params or {})):
        fold = tuple(_rows(rows, n_samples) for rows in (train, test))
        for rows, name in zip(fold, ("training", "test"), strict=True):
            if rows.size == 0 or (sample_weight is not None and not sample_weight[rows].any()):
                raise ValueError(
                    f"Fold {len(folds)} of cv has no {name} rows with a positive weight; use fewer folds, "
                    "or a splitter that shuffles."
                )
        folds.append(fold)
    if not folds:
        raise ValueError("cv yielded no folds.")
    return folds


def _rows(rows, n_samples):
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (n_samples,):
            raise ValueError(f"cv yielded a mask of shape {rows.shape} for {n_samples} rows.")
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError("cv must yield 1-D arrays of row numbers, or masks.")
    rows = rows.astype(np.intp, copy=False)
    if rows.size and (rows.min() < -n_samples or rows.max() >= n_samples):
        raise ValueError(f"cv yielded row numbers outside the {n_samples} rows of X.")
    return np.where(rows < 0, rows + n_samples, rows) if rows.size and rows.min() < 0 else rows


def cross_validate_path(X, y, sample_weight, folds, alphas, l1_ratios, **settings):
    """Fit every fold along the grids and measure the test errors.

    Parameters
    ----------
    X : ndarray or CSC of shape (n_samples, n_features)
    y : ndarray of float64 of shape (n_samples,) or (n_samples, n_targets)
    sample_weight : None or ndarray of shape (n_samples,)
    folds : list of (train, test)
    alphas : ndarray of shape (n_l1_ratios, n_alphas)
    l1_ratios : ndarray of shape (n_l1_ratios,)
    **settings
        Keyword arguments of `fastreg.solvers.cv_errors`.

    Returns
    -------
    CVErrors

    Raises
    ------
    ValueError
        A fit overflowed.
    """
    with np.errstate(all="ignore"):  # overflow shows in the result
        mse = cv_errors(X, y, sample_weight, folds, alphas, l1_ratios, **settings)
    if not np.isfinite(mse).all():
        raise ValueError(
            "Cross-validation ended in non-finite errors: X or y holds values too large for float64 sums of "
            "squares; scale them (for example with sklearn's StandardScaler)."
        )
    return CVErrors(alphas, l1_ratios, mse)


def choose_alpha(mean, standard_error, rule="min"):
    """Choose a point of the grids.

    Parameters
    ----------
    mean, standard_error : ndarray of shape (n_l1_ratios, n_alphas)
        Of the test error, for decreasing alphas.
    rule : {'min', '1se'}
        'min': the smallest mean error; of equal ones the first l1_ratio and the largest alpha.
        '1se': with the l1_ratio of the smallest mean error, the largest alpha whose mean error is within one
        standard error (that of the smallest) of it.

    Returns
    -------
    i_ratio, i_alpha : int
    """
    i_ratio, i_alpha = np.unravel_index(np.argmin(mean), mean.shape)
    if rule == "1se":
        limit = mean[i_ratio, i_alpha] + standard_error[i_ratio, i_alpha]
        i_alpha = np.flatnonzero(mean[i_ratio] <= limit)[0]
    return int(i_ratio), int(i_alpha)


def choose_score(scores, Cs, rule="min"):
    """Choose a point of a grid by scores, of which larger ones are better.

    Parameters
    ----------
    scores : ndarray of shape (n_folds, n_cs, n_l1_ratios)
        NaN counts as worst.
    Cs : ndarray of shape (n_cs,)
        In any order; smaller ones penalise more.
    rule : {'min', '1se'}
        'min': the best mean score; of equal ones the first C, then the first l1_ratio, as in scikit-learn. '1se':
        with its l1_ratio, the smallest C whose mean score is within one standard error of it.

    Returns
    -------
    i_C, i_ratio : int
    """
    mean = np.nan_to_num(scores.mean(axis=0), nan=-np.inf)
    i_C, i_ratio = np.unravel_index(np.argmax(mean), mean.shape)
    if rule == "1se" and len(scores) > 1 and np.isfinite(mean[i_C, i_ratio]):
        error = scores[:, i_C, i_ratio].std(ddof=1) / np.sqrt(len(scores))
        near = mean[:, i_ratio] >= mean[i_C, i_ratio] - error
        i_C = np.argmin(np.where(near, Cs, np.inf)) if near.any() else i_C
    return int(i_C), int(i_ratio)
