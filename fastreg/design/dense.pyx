"""Dense storage: the raw verbs on a C- or F-ordered array, in place.

A verb reads X once, block by block, casts and centres as it loads, and splits the work into tasks for
``parallel_for``. Both orders give the same verbs: where columns are contiguous a task is a run of
columns, where rows are contiguous it is a run of columns of every row (or of whole rows). ``Cast``
gives arrays of any other type or stride the same verbs, by converting some rows at a time.
"""

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from fastreg._simd.dispatch cimport fr_typed, kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted
from fastreg.design.panels cimport Panels, ceil_div, run_panels, run_rough

from fastreg._simd.dispatch import KINDS

cnp.import_array()

cdef enum:
    ROWS = 1024             # rows of a block: a slice of the residual stays in L1
    CACHED = 1 << 16        # elements of a run of columns that is read twice


cdef struct View:
    const char *x
    const fr_typed *ops
    Py_ssize_t n, p, rs, cs, size       # strides in elements, size of one in bytes


cdef struct Pass:
    # One pass over X: what a task needs to know.
    View v
    Py_ssize_t chunk, width            # columns of a task, of all
    const double *mu
    const double *a         # residuals (k, n), weights of rows, or coefficients (k, m)
    const double *b
    const Py_ssize_t *cols
    bint all                # whether cols is 0..p-1
    Py_ssize_t k, m
    double *out


cdef void dots_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Pass *c = <Pass *> context
    cdef View *v = &c.v
    cdef Py_ssize_t j0 = task * c.chunk, j1 = min(c.width, j0 + c.chunk), b, i, j, at, t, rows
    cdef double acc[8]
    for b in range(ceil_div(v.n, ROWS)):
        i = b * ROWS
        rows = min(ROWS, v.n - i)
        if v.rs != 1:
            v.ops.row_dots(rows, j1 - j0, v.x + (i * v.rs + j0) * v.size, v.rs, c.mu + j0, c.k,
                           c.a + i, v.n, c.out + j0, c.width)
            continue
        for j in range(j0, j1):
            at = j if c.all else c.cols[j]
            memset(acc, 0, c.k * sizeof(double))
            v.ops.col_dots(rows, v.x + (i + at * v.cs) * v.size, c.mu[at], c.k, c.a + i, v.n, acc)
            for t in range(c.k):
                c.out[t * c.width + j] += acc[t]


cdef void moments_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Pass *c = <Pass *> context
    cdef View *v = &c.v
    cdef Py_ssize_t j0 = task * c.chunk, j1 = min(v.p, j0 + c.chunk), b, i, j, rows
    cdef double acc[3]
    for b in range(ceil_div(v.n, ROWS)):
        i = b * ROWS
        rows = min(ROWS, v.n - i)
        if v.rs != 1:
            v.ops.row_moments(rows, j1 - j0, v.x + (i * v.rs + j0) * v.size, v.rs, c.mu + j0,
                              c.a + i if c.a != NULL else NULL, c.b + i, c.out + j0, v.p)
            continue
        for j in range(j0, j1):
            acc[0] = acc[1] = acc[2] = 0
            v.ops.col_moments(rows, v.x + (i + j * v.cs) * v.size, c.mu[j],
                              c.a + i if c.a != NULL else NULL, c.b + i, acc)
            c.out[j] += acc[0]
            c.out[v.p + j] += acc[1]
            c.out[2 * v.p + j] += acc[2]


cdef void through_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """(X - mu) diag(b) (X - mu)' a for some columns, which stay in cache between the two products."""
    cdef Pass *c = <Pass *> context
    cdef View *v = &c.v
    cdef Py_ssize_t j0 = task * c.chunk, j1 = min(v.p, j0 + c.chunk), i, j, t
    cdef double *out = c.out + thread * c.k * (v.n + c.chunk)
    cdef double *dots = out + c.k * v.n
    memset(dots, 0, c.k * c.chunk * sizeof(double))
    if v.rs != 1:
        v.ops.row_dots(v.n, j1 - j0, v.x + j0 * v.size, v.rs, c.mu + j0, c.k, c.a, v.n, dots, c.chunk)
        for t in range(c.k):
            for j in range(j1 - j0):
                dots[t * c.chunk + j] *= c.b[j0 + j]
            for i in range(v.n):
                out[t * v.n + i] += v.ops.row_dot(j1 - j0, v.x + (i * v.rs + j0) * v.size, NULL, c.mu + j0,
                                                  dots + t * c.chunk)
        return
    for j in range(j0, j1):
        memset(dots, 0, c.k * sizeof(double))
        v.ops.col_dots(v.n, v.x + j * v.cs * v.size, c.mu[j], c.k, c.a, v.n, dots)
        for t in range(c.k):
            v.ops.col_axpy(v.n, dots[t] * c.b[j], c.mu[j], v.x + j * v.cs * v.size, out + t * v.n)


cdef void combine_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Pass *c = <Pass *> context
    cdef View *v = &c.v
    cdef Py_ssize_t i0 = task * ROWS, rows = min(ROWS, v.n - i0), i, j, t
    cdef double w
    cdef const Py_ssize_t *cols = NULL
    if v.rs == 1:
        for j in range(c.m):                # a column is read once for all of them
            for t in range(c.k):
                w = c.a[t * c.m + j]
                if w != 0:
                    v.ops.col_axpy(rows, w, c.mu[j], v.x + (i0 + c.cols[j] * v.cs) * v.size,
                                   c.out + t * v.n + i0)
        return
    if not c.all:
        cols = c.cols
    for i in range(i0, i0 + rows):
        for t in range(c.k):
            c.out[t * v.n + i] += v.ops.row_dot(c.m, v.x + i * v.rs * v.size, cols, c.mu, c.a + t * c.m)


def provisional_mean(X, s):
    """Means of some first rows of positive weight: sums about them don't cancel where |mean| >> sd."""
    some = X[:64] if s[:64].all() else X[np.flatnonzero(s)[:64]]
    storage = Dense(some) if Dense.takes(some) else Cast(some)
    return storage.dots(np.full((1, len(some)), 1.0 / len(some)), np.zeros(X.shape[1]))[0]


def finish_moments(sums, shift):
    return shift + sums[0], np.maximum(sums[1] - sums[0] ** 2, 0), sums[2], shift


cdef class Dense:
    """Raw verbs on an array of floats, integers or booleans with contiguous rows or columns."""

    is_sparse = False
    cdef View v
    cdef readonly object X
    cdef readonly Py_ssize_t n, p

    def __init__(self, cnp.ndarray X):
        self.X = X
        self.n, self.p = X.shape[0], X.shape[1]
        self.v.x = <const char *> cnp.PyArray_DATA(X)
        self.v.size = X.itemsize
        self.v.ops = &kernels.typed[<int> KINDS[X.dtype]]
        self.v.n, self.v.p = self.n, self.p
        self.v.rs, self.v.cs = X.strides[0] // X.itemsize, X.strides[1] // X.itemsize
        if self.n == 1:         # any stride is right along an axis of one: take the one that suits
            self.v.rs = 1
        elif self.p == 1 and self.v.rs != 1:
            self.v.cs = 1

    @staticmethod
    def takes(X):
        """Whether an array can be read in place."""
        if X.dtype not in KINDS or not X.flags.aligned:
            return False
        rs, cs = X.strides
        size = X.itemsize
        return ((rs == size and cs >= size * X.shape[0] and cs % size == 0)
                or (cs == size and rs >= size * X.shape[1] and rs % size == 0)
                or 1 in X.shape and rs > 0 and cs > 0 and rs % size == 0 and cs % size == 0)

    cdef Py_ssize_t split(self, Pass *c, Py_ssize_t width, int threads) noexcept:
        """Columns of a task: some tasks a thread, in whole cache lines; returns their number."""
        cdef Py_ssize_t chunk = ceil_div(width, 4 * threads if self.v.rs == 1 else threads)
        c.width, c.chunk = width, chunk if width < self.p else min(512, ceil_div(chunk, 16) * 16)
        return ceil_div(width, c.chunk)

    @property
    def by_columns(self):
        """Whether some columns can be read without reading the others."""
        return self.v.rs == 1

    def moments(self, s, v):
        """Means, centred second moments, and sums of v (x - shift), of all columns; and the shift."""
        shift = provisional_mean(self.X, s)
        return finish_moments(self.sums(s, v, shift), shift)

    def sums(self, const double[::1] s, const double[::1] v, const double[::1] shift):
        """(3, p): sums of s d, s d^2 and v d over rows, where d = x - shift."""
        cdef bint uniform = s[0] == s[self.n - 1] and np.ptp(s) == 0
        cdef cnp.ndarray out = np.zeros((3, self.p))
        cdef Pass c
        cdef int threads = num_threads(1.0 * self.n * self.p)
        cdef Py_ssize_t tasks = self.split(&c, self.p, threads)
        c.v, c.a, c.b, c.mu = self.v, NULL, &v[0], &shift[0]
        if not uniform:
            c.a = &s[0]
        c.out = <double *> cnp.PyArray_DATA(out)
        with nogil:
            parallel_for(moments_task, &c, tasks, threads)
        raise_if_interrupted()
        if uniform:             # one stream less to read
            out[:2] *= s[0]
        return out

    def dots(self, const double[:, ::1] R, const double[::1] mu):
        """(k, p): R (X - mu) for k residuals stored as rows."""
        return self.dots_of(None, R, mu)

    def some_dots(self, cols, R, mu):
        """(k, m): ``dots`` of some columns; where rows are contiguous, a pass over all of them."""
        return self.dots_of(cols, R, mu) if self.v.rs == 1 else self.dots_of(None, R, mu)[:, cols]

    cdef dots_of(self, cols, const double[:, ::1] R, const double[::1] mu):
        cdef Py_ssize_t t = 0, width = self.p if cols is None else len(cols)
        cdef cnp.ndarray out = np.zeros((R.shape[0], width))
        cdef Pass c
        cdef const Py_ssize_t[::1] some
        if not width:
            return out
        cdef int threads = num_threads(1.0 * self.n * width)
        cdef Py_ssize_t tasks = self.split(&c, width, threads)
        c.v, c.mu, c.all = self.v, &mu[0], cols is None
        if cols is not None:
            some = cols
            c.cols = &some[0]
        with nogil:
            while t < R.shape[0]:
                c.k = min(8, R.shape[0] - t)        # more residuals than that spill from L1
                c.a = &R[t, 0]
                c.out = <double *> cnp.PyArray_DATA(out) + t * width
                parallel_for(dots_task, &c, tasks, threads)
                t += c.k
        raise_if_interrupted()
        return out

    def combine(self, const Py_ssize_t[::1] cols, const double[:, ::1] W, const double[::1] mu):
        """(k, n): sums over columns of W[k, j] (x[:, cols[j]] - mu[j])."""
        cdef cnp.ndarray out = np.zeros((W.shape[0], self.n))
        cdef Pass c
        if not cols.shape[0]:
            return out
        c.v, c.a, c.mu, c.cols = self.v, &W[0, 0], &mu[0], &cols[0]
        c.k, c.m = W.shape[0], cols.shape[0]
        c.all = c.m == self.p and (np.diff(cols) == 1).all()
        c.out = <double *> cnp.PyArray_DATA(out)
        cdef int threads = num_threads(1.0 * self.n * c.m * c.k)
        with nogil:
            parallel_for(combine_task, &c, ceil_div(self.n, ROWS), threads)
        raise_if_interrupted()
        return out

    def through(self, const double[:, ::1] R, const double[::1] mu, const double[::1] squares):
        """(k, n): R (X - mu) diag(squares) (X - mu)', X read once for every eight residuals."""
        cdef Pass c
        if R.shape[0] > 8:
            return np.concatenate([self.through(R[t : t + 8], mu, squares) for t in range(0, R.shape[0], 8)])
        cdef int threads = num_threads(2.0 * self.n * self.p)
        c.v, c.mu, c.a, c.b, c.k = self.v, &mu[0], &R[0, 0], &squares[0], R.shape[0]
        c.chunk = max(16, min(self.p // (4 * threads), CACHED // self.n))
        cdef cnp.ndarray out = np.zeros((threads, c.k * (self.n + c.chunk)))
        c.out = <double *> cnp.PyArray_DATA(out)
        with nogil:
            parallel_for(through_task, &c, ceil_div(self.p, c.chunk), threads)
        raise_if_interrupted()
        return out[:, : c.k * self.n].sum(axis=0).reshape(c.k, self.n)

    cdef void all_columns(self, Panels *c, const double *shift, const double *mult, const double *zeros,
                          const double *root) noexcept:
        """The symmetric product of all columns over all rows, to be narrowed or extended."""
        c.ops, c.rows, c.m, c.width, c.symmetric, c.n_extra = self.v.ops, self.n, self.p, self.p, True, 0
        c.first = 0
        c.left.x, c.left.sk, c.left.sc = self.v.x, self.v.rs, self.v.cs
        c.left.rows = c.left.cols = NULL
        c.left.shift_c, c.left.mult_c, c.left.shift_k, c.left.mult_k = shift, mult, zeros, root

    def gram(self, left, right, const double[::1] mu, const double[::1] mult, const double[::1] root, rows=None):
        """(left, right): products of centred, scaled, weighted columns.

        ``left`` and ``right`` are column numbers (None: all; right None: the same as left), ``root`` the square
        roots of the row weights, ``rows`` the rows to sum over (None: all).
        """
        cdef Panels c
        cdef const double[::1] zeros = np.zeros(self.n)
        cdef const Py_ssize_t[::1] a, b, r
        self.all_columns(&c, &mu[0], &mult[0], &zeros[0], &root[0])
        c.symmetric = right is None
        if rows is not None:
            r = rows
            c.left.rows, c.rows = &r[0], r.shape[0]
        c.right = c.left
        if left is not None:
            a = left
            c.right.cols, c.m = &a[0], a.shape[0]
        c.left.cols, c.width = c.right.cols, c.m
        if right is not None:           # the panel's left strips run along the rows of memory
            b = right
            c.left.cols, c.m = &b[0], b.shape[0]
        return run_panels(&c)

    def grow_gram(self, out, const Py_ssize_t[::1] cols, Py_ssize_t first, const double[::1] mu,
                  const double[::1] mult, const double[::1] root):
        """What lacks of ``gram`` of some columns in ``out`` (m, m), where it is known of those before ``first``."""
        cdef Panels c
        cdef const double[::1] zeros = np.zeros(self.n)
        self.all_columns(&c, &mu[0], &mult[0], &zeros[0], &root[0])
        c.left.cols, c.m, c.width, c.first = &cols[0], cols.shape[0], cols.shape[0], first
        run_panels(&c, out)

    def gram_about(self, const double[::1] shift, const double[::1] root, const double[:, ::1] extra, rows=None,
                   cols=None):
        """(m + k, m + k): Gram matrix of m columns (all, or ``cols``) about ``shift`` (p,), and of k further ones.

        Rows are weighted by root^2.
        """
        cdef Panels c
        cdef const Py_ssize_t[::1] r, a
        cdef const double[::1] zeros = np.zeros(self.n), ones = np.ones(self.p)
        self.all_columns(&c, &shift[0], &ones[0], &zeros[0], &root[0])
        c.n_extra, c.extra, c.ld_extra = extra.shape[0], &extra[0, 0], self.n
        if cols is not None:
            a = cols
            c.left.cols, c.m = &a[0], a.shape[0]
        c.m += c.n_extra
        c.width = c.m
        if rows is not None:
            r = rows
            c.left.rows, c.rows = &r[0], r.shape[0]
        return run_panels(&c)

    cdef void all_rows(self, Panels *c, const double *mu, const double *mult, const double *zeros,
                       const double *root) noexcept:
        """The symmetric product of all rows over all columns."""
        c.ops, c.rows, c.m, c.width, c.symmetric, c.n_extra, c.first = self.v.ops, self.p, self.n, self.n, True, 0, 0
        c.left.x, c.left.sk, c.left.sc = self.v.x, self.v.cs, self.v.rs
        c.left.rows = c.left.cols = NULL
        c.left.shift_k, c.left.mult_k, c.left.shift_c, c.left.mult_c = mu, mult, zeros, root

    def row_gram(self, const double[::1] mu, const double[::1] mult, const double[::1] root, rough=False):
        """(n, n): products of rows, column j scaled by mult[j], row i by root[i]; rough: see run_rough."""
        cdef Panels c
        cdef const double[::1] zeros = np.zeros(self.n)
        self.all_rows(&c, &mu[0], &mult[0], &zeros[0], &root[0])
        return run_rough(&c) if rough else run_panels(&c)

    def rows(self, Py_ssize_t start, Py_ssize_t stop):
        """Rows as they are, float64."""
        return np.array(self.X[start:stop], dtype=np.float64, order="C")


class Cast:
    """The verbs of Dense for an array of any other type or stride: of what is needed a piece at a time is converted."""

    is_sparse = False
    PIECE = 1 << 18             # elements

    def __init__(self, X):
        self.X = X
        self.n, self.p = X.shape
        # Pieces keep the order of X: transposing takes five times as long as converting.
        self.by_columns = abs(X.strides[0]) < abs(X.strides[1])

    def _pieces(self, cols=None, rows=None, whole_rows=False):
        """(i, j, block): rows i and columns j of X[rows][:, cols], as a Dense."""
        n, p = self.n if rows is None else len(rows), self.p if cols is None else len(cols)
        if self.by_columns and not whole_rows:
            tall = min(n, self.PIECE)
            wide = max(1, self.PIECE // tall)
        else:
            wide = max(1, p if whole_rows else min(p, self.PIECE))
            tall = max(1, self.PIECE // wide)
        buffer = np.empty(min(n, tall) * min(p, wide))      # fresh pages would take as long as the rest
        for top in range(0, n, tall):
            i = slice(top, min(n, top + tall))
            some = self.X[i if rows is None else rows[i]]
            for start in range(0, p, wide):
                j = slice(start, min(p, start + wide))
                shape = (i.stop - top, j.stop - start)
                block = buffer[: shape[0] * shape[1]].reshape(shape, order="F" if self.by_columns else "C")
                np.copyto(block, some[:, j if cols is None else cols[j]], casting="unsafe")
                yield i, j, Dense(block)

    def rows(self, start, stop):
        return np.array(self.X[start:stop], dtype=np.float64, order="C")

    def moments(self, s, v):
        shift = provisional_mean(self.X, s)
        sums = np.zeros((3, self.p))
        for i, j, block in self._pieces():
            sums[:, j] += block.sums(s[i], v[i], shift[j])
        return finish_moments(sums, shift)

    def dots(self, R, mu):
        return self._dots(None, R, mu)

    def some_dots(self, cols, R, mu):
        return self._dots(cols, R, mu[cols])

    def _dots(self, cols, R, mu):
        out = np.zeros((len(R), len(mu)))
        for i, j, block in self._pieces(cols):
            out[:, j] += block.dots(np.ascontiguousarray(R[:, i]), mu[j])
        return out

    def combine(self, cols, W, mu):
        out = np.zeros((len(W), self.n))
        for i, j, block in self._pieces(cols):
            out[:, i] += block.combine(np.arange(block.p), np.ascontiguousarray(W[:, j]), mu[j])
        return out

    def through(self, R, mu, squares):
        return self.combine(np.arange(self.p), self.dots(R, mu) * squares, mu)

    def gram(self, left, right, mu, mult, root, rows=None):
        every, some = np.arange(self.p), slice(None) if rows is None else rows
        cols = every if left is None else left
        of = (None, None)
        if right is not None:
            of = np.arange(len(cols)), len(cols) + np.arange(len(right))
            cols = np.concatenate([cols, right])
        mu, mult, root = mu[cols], mult[cols], root[some]
        return sum(block.gram(*of, mu, mult, root[i]) for i, _, block in self._pieces(cols, rows, True))

    def gram_about(self, shift, root, extra, rows=None, cols=None):
        if cols is not None:
            shift = shift[cols]
        if rows is not None:
            root, extra = root[rows], extra[:, rows]
        return sum(
            block.gram_about(shift, root[i], np.ascontiguousarray(extra[:, i]))
            for i, _, block in self._pieces(cols, rows, True)
        )

    def row_gram(self, mu, mult, root, rough=False):
        total = 0
        cols = max(1, self.PIECE // self.n)
        for start in range(0, self.p, cols):
            j = slice(start, min(self.p, start + cols))
            block = Dense(np.array(self.X[:, j], dtype=np.float64, order="F"))
            total = total + block.row_gram(mu[j], mult[j], root, rough)
        return total
