"""How cross-validated generalised linear models choose: the search for alpha, scores of raw predictions."""

import inspect
import warnings
from functools import partial
from numbers import Integral

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer

from fastreg._stages import staged_fold_paths
from fastreg._validation import check_alphas, check_bounds, check_finite_solution, check_ratios
from fastreg.losses import Logistic, Softmax
from fastreg.model_selection import AlphaSearch, CVErrors, criteria
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import glm_alpha_grid, glm_fold_paths, multinomial_alpha_grid


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


class GeneralizedSearch(AlphaSearch):
    """Of any loss under any penalty: the choice of alpha (and l1_ratio), and the fit with it."""

    _error = "loss"
    alpha = 1.0  # of a penalty given by its name: those of the grid take its place

    def _search(self, X, y, loss, target, sample_weight, offset, params, n_classes=None):
        """(design, path of the alpha chosen, its penalty); y is what splitters see, ``target`` what the loss does."""
        ratios, penalties = self._penalties(X.shape[1], n_classes)
        folds = self._folds(X, y, sample_weight, params)
        design = self._design(X, sample_weight)
        solve = partial(self._stages, self._solver(loss, target, offset, n_classes or 2), design)
        if n_classes:
            loss = Softmax()
            grid = partial(multinomial_alpha_grid, design, target, n_classes, offset=offset)
        else:
            grid = partial(glm_alpha_grid, design, loss, target, offset=offset)
        with np.errstate(all="ignore"):  # overflow shows in the result
            alphas = self._grids(penalties, grid)
            if folds is None:
                *measured, coefs = self._criteria(design, loss, target, offset, solve, alphas, penalties)
            else:
                problem = (design, loss, target, offset, sample_weight, folds, alphas, penalties, n_classes)
                scores, coefs = self._errors(*problem)
                measured = CVErrors(alphas, ratios, scores)
            i_ratio, i_alpha = self._choose(alphas, ratios, measured)
            penalty = penalties[i_ratio]
            if penalty.composite and not penalty.has_dual:  # of several stationary points that of the path, as in folds
                path = solve(alphas[i_ratio, : i_alpha + 1], penalty).last()
            else:
                path = solve(np.array([self.alpha_]), penalty, coef_init=coefs[i_ratio][i_alpha])
        return design, path, penalty

    def _criteria(self, design, loss, y, offset, solve, alphas, penalties):
        """(criterion, degrees of freedom, coefficients) on all rows."""
        squared = loss.name == "squared"
        if not squared and loss.name not in ("logistic", "softmax", "poisson"):
            raise ValueError(f"rule={self.rule!r} is for the squared, the logistic and the Poisson loss.")
        known = None if squared else loss
        return criteria(design, y, solve, alphas, penalties, self.rule, loss=known, offset=offset)

    def _errors(self, design, loss, y, offset, sample_weight, folds, alphas, penalties, n_classes):
        """(losses of test rows (n_l1_ratios, n_alphas, n_folds), coefficients near those of all rows)."""

        def measure(k, raw):
            test = folds[k][1]
            weight = np.ones(len(test)) if sample_weight is None else sample_weight[test]
            return [loss(row, y[test], weight / weight.sum())[0] for row in raw]

        problem, options = (sample_weight, folds, alphas, penalties), {"offset": offset, "measure": measure}
        if self._staged:
            solve = self._solver(loss, y, offset, n_classes or 2)
            paths = staged_fold_paths(solve, design, *problem, adaptive=self.adaptive, relax=self.relax, **options)
        else:
            options |= {"n_classes": n_classes, "tol": self.tol, "max_iter": self.max_iter}
            paths = glm_fold_paths(design, loss, y, *problem, **options)
        check_finite_solution(paths.coefs, paths.intercepts, paths.scores)
        warn_of_folds(type(self).__name__, paths, self.tol, "the smallest alphas", stacklevel=5)
        return paths.scores.transpose(1, 2, 0), paths.coefs.mean(axis=0)

    def _penalties(self, p, n_classes):
        """(l1_ratios, what solvers see of the penalty for each)."""
        if self.penalty is not None:
            penalty = self._features(p, bool(n_classes))[1]
            return np.array([penalty.l1_ratio]), [penalty]
        ratios, bounds = check_ratios(self.l1_ratio), check_bounds(p, self.penalty_factor, self.lower, self.upper)
        return ratios, [FeatureL1L2(p, ratio, *bounds) for ratio in ratios]

    def _grids(self, penalties, grid):
        """The alphas, decreasing, of shape (n_l1_ratios, n_alphas)."""
        if not isinstance(self.alphas, Integral):
            return np.tile(check_alphas(self.alphas), (len(penalties), 1))
        grids = np.array([grid(penalty, eps=self.eps, n_alphas=self.alphas) for penalty in penalties])
        check_finite_solution(grids)
        return grids
