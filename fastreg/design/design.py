"""Design: what the solvers see of X.

The solvers work with X̃ = (X - 1 mean') / scale under weights s that sum to 1, always in float64, and never ask how X
is stored. The storage (dense.pyx, sparse.pyx) has raw verbs; here they meet centring, scaling and weights.
"""

from math import isfinite

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite

from fastreg._simd.dispatch import dot

from .dense import Cast, Dense, provisional_mean
from .panels import centred
from .sparse import Sparse

EPS = np.finfo(np.float64).eps
MANY_TARGETS = 16  # more of them are not worth their place in a Gram pass
DRIFT = 1e3  # ratio of a column's second moments about a provisional mean and about its own that is harmless


def _storage(X):
    if sparse.issparse(X):
        return Sparse(X)
    return Dense(X) if Dense.takes(X) else Cast(X)


def _with_ones(y):
    """1 and the columns of y, as rows."""
    rows = np.empty((1 + y.size // len(y), len(y)))
    rows[0], rows[1:] = 1, y.T
    return rows


class Design:
    """A centred, scaled and weighted view of X; X itself is neither copied nor written.

    Parameters
    ----------
    X : ndarray of shape (n, p), any real dtype and strides, or CSC sparse array or matrix
    sample_weight : ndarray of shape (n,), optional
        Non-negative weights with a positive sum.
    fit_intercept : bool, default=True
        Whether columns are centred.
    standardize : bool, default=False
        Whether columns are divided by their weighted standard deviation (without an intercept: by
        their root mean square). Constant columns are left as they are.

    Notes
    -----
    The column statistics need a pass over X. It is made when first needed; ``bind(y)`` makes it give ``X̃'y`` as well,
    and on request the Gram matrix.
    """

    def __init__(self, X, sample_weight=None, *, fit_intercept=True, standardize=False):
        self.X = X
        self.storage = _storage(X)
        self.n, self.p = X.shape
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        if sample_weight is None:
            self.total_weight = float(self.n)
            self.weights = np.full(self.n, 1.0 / self.n)
        else:
            weight = np.asarray(sample_weight, dtype=np.float64)
            largest = weight.max()  # so that no sum overflows
            self.weights = weight / largest
            total = self.weights.sum()
            self.total_weight = float(total * largest)
            self.weights /= total
        self._root = self._gram = None

    def __getattr__(self, name):
        # Column statistics: one pass over X on first use (this is called only for missing attributes).
        if name not in ("mean", "scale", "sq_norms", "mult"):
            raise AttributeError(name)
        self._pass()
        return self.__dict__[name]

    def bind(self, y, gram=False):
        """Center y, and return it with its mean and ``X̃'(s∘y)``; y (n,) or (n, T).

        With ``gram`` the Gram matrix of all columns is made in the same pass over X, and ``gram()`` returns it.
        """
        centred, mean = self.center(y)
        if "mean" in self.__dict__:
            return centred, mean, self.xt_r(centred)
        if gram and not self.storage.is_sparse and centred.size <= MANY_TARGETS * self.n:
            cross = self._gram_pass(centred)
        else:
            cross = self._pass(centred) if centred.ndim == 1 else None
        return centred, mean, self.xt_r(centred) if cross is None else cross

    def _pass(self, y=None):
        """Column statistics; with y (n,) returns its products with the columns."""
        v = np.zeros(self.n) if y is None else self.weights * y
        mean, var, cross, shift = self.storage.moments(self.weights, v)
        if not self.fit_intercept:
            cross = cross + shift * v.sum()
        self._set(mean, var)
        cross *= self.mult
        cross[self.sq_norms == 0] = 0
        return cross

    def _set(self, mean, var):
        """Attributes from means and centred second moments."""
        if not isfinite(np.add.reduce(var)):
            assert_all_finite(self.X.data if self.storage.is_sparse else self.X, input_name="X")
        if self.fit_intercept:
            second = var
            # a constant column's variance is rounding of its mean
            second[var <= (16 * EPS * np.abs(mean)) ** 2] = 0
            self.mean = mean
        else:
            second = var + mean * mean
            self.mean = np.zeros(self.p)
        if self.standardize:
            self.scale = np.sqrt(second)
            self.scale[second == 0] = 1.0
            self.mult = 1.0 / self.scale
            self.sq_norms = (second > 0).astype(np.float64)
        else:
            self.scale = self.mult = np.ones(self.p)
            self.sq_norms = second

    def _gram_pass(self, y):
        """Statistics, Gram matrix and products with y, from the Gram matrix of X about a provisional mean, 1 and y."""
        extra, p = _with_ones(y), self.p
        if self.fit_intercept:
            shift = provisional_mean(self.X, self.weights)
            parts = centred(self.storage.gram_about(shift, self.root, extra), shift, p, DRIFT)
            if parts is None:  # the first rows are far from the rest
                return None
            G, cross, mean, var = parts
            self._set(mean, var)
        else:
            joint = self.storage.gram_about(np.zeros(p), self.root, extra)
            G, cross = np.ascontiguousarray(joint[:p, :p]), np.array(joint[p + 1 :, :p].T)
            self._set(np.zeros(p), np.array(np.diagonal(G)))
        dead = self.sq_norms == 0
        if dead.any():
            G[dead], G[:, dead], cross[dead] = 0, 0, 0
        if self.standardize:
            G = G * np.outer(self.mult, self.mult)
            cross = cross * self.mult[:, None]
        self._gram = G
        return cross[:, 0] if y.ndim == 1 else cross

    def sums(self, y, rows):
        """Sums over some rows (one may come twice) of s, sx, sy, sxx', sxy', sy'y; x about its mean, y (n, T)."""
        storage, p = self.storage, self.p
        extra = _with_ones(y)
        if storage.is_sparse:
            s = self.weights * np.bincount(rows, minlength=self.n)
            G = storage.gram(None, None, self.mean, np.ones(p), self.root, rows)
            cross = storage.dots(s * extra, self.mean).T
            right = (s * extra) @ extra.T
        else:
            joint = storage.gram_about(self.mean, self.root, extra, rows)
            G, cross, right = np.ascontiguousarray(joint[:p, :p]), joint[:p, p:], joint[p:, p:]
        dead = self.sq_norms == 0
        if dead.any():
            cross = np.array(cross)
            G[dead], G[:, dead], cross[dead] = 0, 0, 0
        return right[0, 0], cross[:, 0], right[0, 1:], G, cross[:, 1:], np.trace(right[1:, 1:])

    def adopt_gram(self, G):
        """Take the Gram matrix of all columns about their means, unscaled, from one who has it."""
        self._gram = G * np.outer(self.mult, self.mult) if self.standardize else G

    @property
    def has_gram(self):
        """Whether the Gram matrix of all columns is there."""
        return self._gram is not None

    @property
    def root(self):
        """Square roots of the weights."""
        if self._root is None:
            self._root = np.sqrt(self.weights)
        return self._root

    def center(self, y):
        """y in float64 less its weighted mean (0 without an intercept), and that mean."""
        y = np.array(y, dtype=np.float64)
        if not self.fit_intercept:
            return y, (0.0 if y.ndim == 1 else np.zeros(y.shape[1]))
        mean = self.average(y)
        y -= mean
        # the mean was rounded: once more, so that the dual point sums to 0
        extra = self.average(y)
        y -= extra
        y[np.abs(y) <= EPS * np.abs(mean)] = 0  # what is left of a constant is rounding of its mean
        return y, mean + extra

    def average(self, y):
        """Weighted mean of y (n,) or (n, T)."""
        return dot(self.weights, y) if y.ndim == 1 else self.weights @ y

    def unscale(self, coef, y_mean):
        """Coefficients of X̃ in the units of X, and the intercept; coef (..., p)."""
        coef = coef * self.mult
        if coef.size == self.p:
            return coef, y_mean - np.full(coef.shape[:-1], dot(coef.ravel(), self.mean))
        return coef, y_mean - coef @ self.mean

    def xt_r(self, R, cols=None):
        """X̃'(s∘R) for R (n,) or (n, k) of weighted mean 0: (p,) or (p, k), or for some columns."""
        if R.ndim == 1:
            return self.xt(self.weights * R, cols)
        return self._products(np.ascontiguousarray((self.weights[:, None] * R).T), cols).T

    def xt(self, u, cols=None):
        """X̃'u for u (n,) that sums to 0 where there is an intercept: (p,), or for some columns."""
        return self._products(u[None, :], cols)[0]

    def xt_all(self, U):
        """X̃'u for each row of U (k, n), of any sum: (k, p)."""
        return self._products(U, None)

    def _products(self, U, cols):
        if cols is None:
            out = self.storage.dots(U, self.mean) * self.mult
            out[:, self.sq_norms == 0] = 0
        else:
            out = self.storage.some_dots(cols, U, self.mean) * self.mult[cols]
            out[:, self.sq_norms[cols] == 0] = 0
        return out

    def first_xt(self, u):
        """X̃'u, in the pass that makes the column statistics."""
        return self._pass(np.divide(u, self.weights, out=np.zeros(self.n), where=self.weights > 0))

    def reweighted(self, h, cols, other=None, rows=None):
        """Of some columns, for weights h in place of the design's: X̃'hX̃ and X̃'h, or with ``other`` the cross product.

        ``rows`` are the rows to sum over (None: all).
        """
        root, mult = np.sqrt(h), self.mult
        if other is not None:
            return self.storage.gram(cols, other, self.mean, mult, root, rows)
        ones = np.ones((1, self.n))
        where = {} if rows is None else {"rows": rows}
        joint = self.storage.gram_about(self.mean, root, ones, cols=cols, **where)
        G, th = joint[:-1, :-1], joint[-1, :-1]
        if self.standardize:
            G, th = G * np.outer(mult[cols], mult[cols]), th * mult[cols]
        return G, th

    def xw(self, W, cols=None):
        """X̃[:, cols] W for W (m,) or (m, k): (n,) or (n, k)."""
        cols = np.arange(self.p) if cols is None else np.asarray(cols, dtype=np.intp)
        mult, mean = self.mult[cols], np.ascontiguousarray(self.mean[cols])
        if W.ndim == 1:
            return self.storage.combine(cols, (W * mult)[None, :], mean)[0]
        return self.storage.combine(cols, np.ascontiguousarray((W * mult[:, None]).T), mean).T

    def gram(self, cols=None, other=None, rows=None):
        """X̃[:, cols]' diag(s) X̃[:, other]; other=None: the same as cols; rows: the rows to sum over."""
        index = [None if c is None else np.ascontiguousarray(c, dtype=np.intp) for c in (cols, other)]
        if self._gram is not None and cols is other is rows is None:
            return self._gram
        return self.storage.gram(*index, self.mean, self._live_mult(), self.root, rows)

    def grow_gram(self, out, cols, first):
        """Put ``gram(cols)`` into ``out`` (m, m), rows contiguous; what is of the columns before ``first`` is there."""
        cols = np.ascontiguousarray(cols, dtype=np.intp)
        if isinstance(self.storage, Dense):  # each column is packed once
            self.storage.grow_gram(out, cols, first, self.mean, self._live_mult(), self.root)
            return
        old, new = cols[:first], cols[first:]
        if first:
            cross = self.gram(old, new)
            out[:first, first:], out[first:, :first] = cross, cross.T
        out[first:, first:] = self.gram(new)

    def _live_mult(self):
        """What columns are multiplied by: 0 if they are constant."""
        return np.where(self.sq_norms > 0, self.mult, 0.0)

    def row_gram(self, col_weights=None, rough=False):
        """diag(s)^½ X̃ diag(col_weights) X̃' diag(s)^½, (n, n).

        rough: only its lower triangle, in single precision: of a dense X, in less than half the time.
        """
        mult = self._live_mult()
        if col_weights is not None:
            mult = mult * np.sqrt(col_weights)
        options = {"rough": True} if rough else {}
        return self.storage.row_gram(self.mean, mult, self.root, **options)

    def row_gram_times(self, V, col_weights=None):
        """The product of ``row_gram`` with V (n, k) without making it: a pass over a dense X for every eight."""
        squares = np.where(self.sq_norms > 0, self.mult * self.mult, 0.0)
        if col_weights is not None:
            squares = squares * col_weights
        root = self.root[:, None]
        return root * self.storage.through(np.ascontiguousarray((root * V).T), self.mean, squares).T

    def take(self, cols=None):
        """X̃[:, cols], a dense copy in F order; columns that are constant are 0."""
        cols = np.arange(self.p) if cols is None else cols
        mult = np.where(self.sq_norms[cols] > 0, self.mult[cols], 0.0)
        if self.storage.is_sparse:
            parts = self.storage.take(cols, np.ones(self.p), np.ones(self.n))
            block = sparse.csc_array(parts, shape=(self.n, len(cols))).toarray(order="F")
        else:
            block = np.array(self.X[:, cols], dtype=np.float64, order="F")
        block -= self.mean[cols]
        block *= mult
        return block

    def part(self, cols):
        """The design of some columns of X, not standardised."""
        return Design(self.X[:, cols], self.weights, fit_intercept=self.fit_intercept)

    def fold(self, train, weight):
        """All of X with the weights (n,) of the training rows, 0 for others; a row that is there twice counts twice."""
        weight = np.bincount(train, minlength=self.n) * weight
        return Design(self.X, weight, fit_intercept=self.fit_intercept, standardize=self.standardize)

    def raw(self, coef, intercept):
        """Predictions (n,) or (n, K) of coefficients in the units of X, (p,) or (K, p), without a copy of X."""
        W = np.atleast_2d(coef).astype(np.float64, copy=False)
        used = np.flatnonzero(W.any(axis=0))
        raw = self.storage.combine(used, np.ascontiguousarray(W[:, used]), np.zeros(len(used)))
        return (raw[0] if coef.ndim == 1 else raw.T) + intercept

    def predict(self, coefs, intercepts, rows):
        """Raw predictions of some rows for fits in the units of X, (K, p) or (K, T, p): (K, m) or (K, m, T)."""
        part = Design(self.X.tocsr()[rows].tocsc() if self.storage.is_sparse else self.X[rows])
        raw = part.raw(coefs.reshape(-1, self.p), np.ravel(intercepts)).T.reshape(*coefs.shape[:-1], -1)
        return raw if coefs.ndim == 2 else np.ascontiguousarray(raw.swapaxes(1, 2))

    def panels(self, rows=None):
        """Yield (start, stop, block): some rows of X̃ at a time, dense float64, not weighted."""
        rows = rows or max(1, (1 << 20) // self.p)
        for start in range(0, self.n, rows):
            stop = min(self.n, start + rows)
            block = self.storage.rows(start, stop)
            if self.fit_intercept:
                block -= self.mean
            if self.standardize:
                block *= self.mult
            yield start, stop, block
