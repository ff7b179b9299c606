"""Cross-validated ridge predictions for a whole grid of alphas, exact, from one Gram of all rows.

More rows than features: the Gram of a training set is the Gram of all rows less that of the test rows, moved
to the training set's own mean, ``G_t = (G - G_test) / o - m m'`` with o the training rows' share of the
weights and m their mean in coordinates centred on all rows. One eigendecomposition a fold gives all alphas (of a
few, each has a Cholesky factor), and one pass over the row panels gives the predictions of all folds.

Fewer rows than features: each fold has its own row Gram, which costs less than its other work.
"""

import numpy as np
from scipy.linalg.lapack import dpotrs
from scipy.sparse import issparse

from fastreg.design import Design
from fastreg.solvers.ridge_spectrum import DualSpectrum, PrimalSpectrum
from fastreg.solvers.ridge_systems import cholesky

__all__ = ["cv_ridge"]

_SUSPECT = 1e-6
_FEW_ALPHAS = 8  # eigenvalues take the time of some ten Cholesky factors


def cv_ridge(X, y, sample_weight, folds, alphas, factor=None, *, fit_intercept=True, standardize=False):
    """Predict the test rows of every fold for every alpha.

    Parameters
    ----------
    X : ndarray or CSC of shape (n, p)
    y : ndarray of shape (n,) or (n, n_targets)
    sample_weight : None or ndarray of shape (n,)
        Used in the fits.
    folds : list of (train, test)
        Arrays of row numbers; every training set holds a positive weight.
    alphas : ndarray of shape (n_alphas,)
        Non-negative, in units of ``||y - Xw||² + alpha ||w||²`` of each training set.
    factor : None or ndarray of shape (p,)
    fit_intercept, standardize : bool
        Means and scales are those of the training rows.

    Returns
    -------
    list of ndarray of shape (n_test, n_alphas, n_targets)
        One a fold; without the last axis for 1-D y.
    """
    columns = y.reshape(len(y), -1)
    if factor is not None and (factor == 1.0).all():
        factor = None
    fewest = min(len(train) for train, _ in folds)
    if fewest > X.shape[1]:
        design = Design(X, sample_weight, fit_intercept=fit_intercept)
        fits = _fits_by_subtraction(design, columns, folds, alphas, factor, standardize)
        predictions = _predict(design, fits, folds)
    else:
        predictions = [
            _fold_by_fold(X, columns, sample_weight, fold, alphas, factor, fit_intercept, standardize) for fold in folds
        ]
    return [part[:, :, 0] for part in predictions] if y.ndim == 1 else predictions


def _fits_by_subtraction(design, y, folds, alphas, factor, standardize):
    """(coefs (p, n_alphas, T), intercepts (n_alphas, T)) of each fold, in coordinates centred on all rows."""
    whole, fits = None, []
    for train, test in folds:
        inside = np.zeros(design.n)
        inside[train] = 1.0
        complement = len(train) + len(test) == design.n and not inside[test].any()
        share = design.weights @ inside
        if complement:
            if whole is None:
                whole = design.gram()
            gram = (whole - design.gram(rows=test)) / share
        else:  # a splitter that leaves rows out, or repeats them
            counts = np.bincount(train, minlength=design.n)
            inside, share = counts.astype(np.float64), float(design.weights @ counts)
            gram = (
                sum(design.gram(rows=np.flatnonzero(counts >= level)) for level in range(1, counts.max() + 1)) / share
            )
        used = design.weights * inside / share
        y_mean, mean = np.zeros(y.shape[1]), np.zeros(design.p)
        if design.fit_intercept:
            y_mean = used @ y
            mean = design.xt_r(inside / share - 1.0)
            gram -= np.outer(mean, mean)
        cross = design.xt_r(inside[:, None] / share * (y - y_mean))
        squares = gram.diagonal().copy()
        constant = _constant(design, squares, mean, used)
        gram[constant], gram[:, constant], cross[constant] = 0.0, 0.0, 0.0
        fold_factor = factor
        if standardize:
            fold_factor = np.where(constant, 1.0, squares) * (1.0 if factor is None else factor)
        shifts = np.asarray(alphas) / (design.total_weight * share)
        coefs = _coefs(design, fold_factor, gram, cross, shifts)
        fits.append((coefs, y_mean - np.tensordot(mean, coefs, 1)))
    return fits


def _coefs(design, factor, gram, cross, shifts):
    """Coefficients (p, n_alphas, T): few by Cholesky factors, where there are such, else from the eigenvalues."""
    coefs = []
    for shift in shifts if len(shifts) <= _FEW_ALPHAS else ():
        matrix = gram.copy()
        matrix.ravel()[:: len(gram) + 1] += shift if factor is None else shift * factor
        root = cholesky(matrix)
        if root is None:
            break
        coefs.append(dpotrs(root, cross, lower=1)[0])
    return (
        np.stack(coefs, axis=1)
        if len(coefs) == len(shifts)
        else PrimalSpectrum(design, factor, gram).coefs(cross, shifts)
    )


def _constant(design, squares, mean, used):
    """Which columns are constant in the rows in use. Their squares are rounding, so suspects are read."""
    suspects = np.flatnonzero(squares <= _SUSPECT * (design.sq_norms + mean**2 + design.mean**2))
    constant = np.zeros(design.p, dtype=bool)
    if suspects.size:
        columns = design.X[:, suspects][np.flatnonzero(used > 0)]
        columns = columns.toarray() if issparse(columns) else columns
        least, most = columns.min(axis=0), columns.max(axis=0)
        constant[suspects] = (least == most) if design.fit_intercept else (least == 0) & (most == 0)
    return constant


def _predict(design, fits, folds):
    predictions = [np.empty((len(test), *fit[1].shape)) for fit, (_, test) in zip(fits, folds)]
    order = [np.argsort(test, kind="stable") for _, test in folds]
    for start, stop, block in design.panels():
        for (coefs, intercept), (_, test), rank, out in zip(fits, folds, order, predictions):
            first, last = np.searchsorted(test[rank], (start, stop))
            rows = rank[first:last]
            flat = block[test[rows] - start] @ coefs.reshape(design.p, -1)
            out[rows] = flat.reshape(len(rows), *intercept.shape) + intercept
    return predictions


def _fold_by_fold(X, y, sample_weight, fold, alphas, factor, fit_intercept, standardize):
    train, test = fold
    X_train = X[train]
    if issparse(X_train):
        X_train.sort_indices()
    weight = None if sample_weight is None else sample_weight[train]
    design = Design(X_train, weight, fit_intercept=fit_intercept, standardize=standardize)
    centred, y_mean = design.center(y[train])
    shifts = np.asarray(alphas) / design.total_weight
    if design.n > design.p:
        coefs = _coefs(design, factor, design.gram(), design.xt_r(centred), shifts)
    else:
        coefs = DualSpectrum(design, factor).coefs(centred, shifts)
    coefs = coefs.reshape(design.p, -1)
    coefs, intercept = design.unscale(coefs.T, np.tile(y_mean, len(shifts)))
    return np.asarray(X[test] @ coefs.T + intercept).reshape(len(test), len(shifts), -1)
