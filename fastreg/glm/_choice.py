"""What cross-validated generalised linear models choose by: scores of raw predictions."""

import inspect
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer

from fastreg.losses import Logistic, Softmax


def quick_score(scoring, y, n_classes, sample_weight, folds):
    """For scores that follow from raw predictions, their function for `glm_fold_paths`; else None.

    Parameters
    ----------
    scoring : str or callable
    y : ndarray of shape (n_samples,)
        Class numbers.
    n_classes : int
    sample_weight : None or ndarray of shape (n_samples,)
    folds : list of (train, test)
    """
    if not isinstance(scoring, str) or scoring not in ("accuracy", "neg_log_loss"):
        return None
    numbers = y.astype(np.intp)

    def measure(k, raw):
        test = folds[k][1]
        truth, weight = numbers[test], None if sample_weight is None else sample_weight[test]
        if scoring == "accuracy":
            predicted = raw > 0 if n_classes == 2 else raw.argmax(axis=-1)
            return np.average(predicted == truth, axis=1, weights=weight)
        if n_classes == 2:
            proba = Logistic().predict(np.where(truth == 1, raw, -raw))
        else:
            proba = np.take_along_axis(Softmax().predict(raw), truth[None, :, None], axis=-1)[..., 0]
        eps = np.finfo(np.float64).eps  # scikit-learn's way to stay finite
        return np.average(np.log(np.clip(proba, eps, 1 - eps)), axis=1, weights=weight)

    return measure


def with_labels(scorer, classes):
    """A scorer that knows all classes, of which a fold's test rows may lack some."""
    known = inspect.signature(scorer._score_func).parameters if hasattr(scorer, "_score_func") else {}
    if "labels" not in known:
        return scorer
    extra = {"pos_label": classes[-1]} if len(classes) == 2 and "pos_label" in known else {}
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{"labels": classes, **extra, **scorer._kwargs},
    )


def warn_of_folds(name, paths, tol, hardest, stacklevel=3):
    """Warn of fits that did not converge, if there are any; ``hardest`` is what might be left out."""
    failed = np.sum(~paths.converged)
    if failed:
        worst = float((paths.dual_gaps / paths.nulls[:, None, None]).max())
        warnings.warn(
            f"{name}: {failed} of {paths.converged.size} fits of folds did not converge: relative duality gap up to "
            f"{worst:.1e} after at most {paths.n_iters.max()} iterations, tol={tol:g}. Increase max_iter or tol, put "
            f"the features on one scale (standardize=True), or leave out {hardest}.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
