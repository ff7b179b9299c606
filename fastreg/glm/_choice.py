"""What cross-validated generalised linear models choose by: information criteria, scores of raw predictions."""

import inspect
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer

from fastreg._validation import check_finite_solution
from fastreg.losses import Logistic, Softmax
from fastreg.model_selection import degrees_of_freedom, information_criterion
from fastreg.solvers import solve_glm, solve_multinomial


def criteria(design, loss, y, alphas, penalties, rule, *, n_classes=None, offset=None, **options):
    """Information criteria along paths of all rows.

    Parameters
    ----------
    design : Design
    loss : Loss
        Whose double is a deviance of known dispersion.
    y : ndarray of shape (n_samples,)
    alphas : ndarray of shape (n_penalties, n_alphas)
        Decreasing in every row.
    penalties : list of FeatureL1L2
    rule : {'aic', 'bic', 'ebic'}
    n_classes : int, optional
        Multinomial models for class numbers y, if these are more than two.
    offset : ndarray of shape (n_samples,), optional
    **options
        For the solver: tol, max_iter.

    Returns
    -------
    criterion, df : ndarray of shape (n_penalties, n_alphas)
    coefs : list of ndarray of shape (n_alphas, n_features) or (n_alphas, n_classes, n_features)

    Raises
    ------
    ValueError
        A fit overflowed.
    """
    n, p, many = design.total_weight, max(1, int((design.sq_norms > 0).sum())), n_classes is not None
    values, df, coefs = np.empty(alphas.shape), np.empty(alphas.shape), []
    for i, (grid, penalty) in enumerate(zip(alphas, penalties, strict=True)):
        with np.errstate(all="ignore"):  # overflow shows in the result
            if many:
                path = solve_multinomial(design, y, n_classes, grid, penalty, **options)
            else:
                path = solve_glm(design, loss, y, grid, penalty, offset=offset, **options)
        check_finite_solution(path.coefs, path.intercepts)
        inner = penalty.scaled(design.scale)
        each = path.coefs.reshape(len(grid), -1, design.p)  # a row a class
        charges = [sum(inner.value(w * design.scale, alpha) for w in W) for W, alpha in zip(each, grid, strict=True)]
        curvatures = []
        for W, b in zip(each, path.intercepts.reshape(len(grid), -1), strict=True):
            raw = np.ascontiguousarray(design.X @ W.T + b)
            if many:
                curvatures.append(np.ascontiguousarray(Softmax()(raw, y, design.weights)[2].T))
            else:
                curvatures.append([loss(raw[:, 0] + (0.0 if offset is None else offset), y, design.weights)[2]])
        df[i] = sum(
            degrees_of_freedom(design, each[:, t], grid, penalty, [h[t] for h in curvatures])
            for t in range(each.shape[1])
        )
        values[i] = information_criterion(2 * n * (path.primals - charges), df[i], n, p * each.shape[1], rule)
        coefs.append(path.coefs)
    return values, df, coefs


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


def warn_of_folds(name, paths, tol, hardest):
    """Warn of fits that did not converge, if there are any; ``hardest`` is what might be left out."""
    failed = np.sum(~paths.converged)
    if failed:
        worst = float((paths.dual_gaps / paths.nulls[:, None, None]).max())
        warnings.warn(
            f"{name}: {failed} of {paths.converged.size} fits of folds did not converge: relative duality gap up to "
            f"{worst:.1e} after at most {paths.n_iters.max()} iterations, tol={tol:g}. Increase max_iter or tol, put "
            f"the features on one scale (standardize=True), or leave out {hardest}.",
            ConvergenceWarning,
            stacklevel=3,
        )
