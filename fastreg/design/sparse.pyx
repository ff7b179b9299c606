"""Sparse storage: the raw verbs on compressed columns (CSC), in place.

Zeros are never visited and columns never densified: where a verb centres, it subtracts ``mean * sum`` once
a column. Values may be float32 or float64 and indices int32 or int64; they are used as they are.
"""

import numpy as np

cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY

from fastreg._threads cimport look, num_threads, raise_if_interrupted, stopped

cnp.import_array()

ctypedef fused value_t:
    float
    double

ctypedef fused index_t:
    cnp.int32_t
    cnp.int64_t


cdef enum:
    PARTS = 128             # of the columns, dealt to threads as they come free; between two, a look for Ctrl-C


cdef inline void column_moments(const value_t *data, const index_t *indices, Py_ssize_t count, const double *s,
                                const double *v, double *mean_out, double *second_out,
                                double *cross_out) noexcept nogil:
    cdef double mean = 0, seen = 0, cross = 0, second = 0, rest = 0, x, low = INFINITY, high = -INFINITY
    cdef Py_ssize_t e
    for e in range(count):
        seen += s[indices[e]]
        mean += s[indices[e]] * data[e]
        cross += v[indices[e]] * data[e]
        if s[indices[e]] > 0:
            low = min(low, data[e])
            high = max(high, data[e])
    for e in range(count):
        x = data[e] - mean
        second += s[indices[e]] * x * x
        rest += s[indices[e]] * x
    seen = 1 - seen                     # what the zeros weigh, but for rounding
    if seen > 1e-13:
        second += seen * mean * mean
        rest -= seen * mean
    elif high == low:                   # constant: what is left is rounding of the mean
        second = 0
    mean_out[0] = mean + rest           # what the sum had rounded away
    second_out[0] = second
    cross_out[0] = cross


def _moments(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
             const double[::1] s, const double[::1] v, double[:, ::1] out):
    cdef Py_ssize_t part, j, p = indptr.shape[0] - 1
    cdef int threads = num_threads(2.0 * data.shape[0])
    cdef double looked = 0
    for part in prange(PARTS, nogil=True, schedule="dynamic", num_threads=threads):
        if threadid() == 0:
            look(&looked)
        if not stopped():
            for j in range(part * p // PARTS, (part + 1) * p // PARTS):
                column_moments(&data[0] + indptr[j], &indices[0] + indptr[j], indptr[j + 1] - indptr[j],
                               &s[0], &v[0], &out[0, j], &out[1, j], &out[2, j])
    raise_if_interrupted()


cdef inline double dot(const value_t *data, const index_t *indices, Py_ssize_t count, const double *r) noexcept nogil:
    """Product of a column with r: two sums, as one would wait for each addition."""
    cdef double a = 0, b = 0
    cdef Py_ssize_t e = 0
    while e + 2 <= count:
        a += data[e] * r[indices[e]]
        b += data[e + 1] * r[indices[e + 1]]
        e += 2
    if e < count:
        a += data[e] * r[indices[e]]
    return a + b


def _dots(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
          const Py_ssize_t[::1] cols, const double[:, ::1] R, const double[::1] mu, const double[::1] sums,
          double[:, ::1] out):
    cdef Py_ssize_t part, j, t, start, m = cols.shape[0], k = R.shape[0]
    cdef int threads = num_threads(1.0 * k * data.shape[0] * m / (indptr.shape[0] - 1))
    cdef double looked = 0
    for part in prange(PARTS, nogil=True, schedule="dynamic", num_threads=threads):
        if threadid() == 0:
            look(&looked)
        if not stopped():
            for j in range(part * m // PARTS, (part + 1) * m // PARTS):
                start = indptr[cols[j]]
                for t in range(k):
                    out[t, j] = dot(&data[0] + start, &indices[0] + start, indptr[cols[j] + 1] - start,
                                    &R[t, 0]) - mu[j] * sums[t]
    raise_if_interrupted()


def _combine(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
             const Py_ssize_t[::1] cols, const double[:, ::1] W, double[:, :, ::1] out):
    # out has one copy a thread
    cdef Py_ssize_t part, j, e, t, k = W.shape[0], m = cols.shape[0]
    cdef int threads = <int> out.shape[0], me
    cdef double looked = 0
    for part in prange(PARTS, nogil=True, schedule="dynamic", num_threads=threads):
        me = threadid()
        if me == 0:
            look(&looked)
        if not stopped():
            for j in range(part * m // PARTS, (part + 1) * m // PARTS):
                for t in range(k):
                    if W[t, j] != 0:
                        for e in range(indptr[cols[j]], indptr[cols[j] + 1]):
                            out[me, t, indices[e]] += W[t, j] * data[e]
    raise_if_interrupted()


def _gram(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
          const Py_ssize_t[::1] cols, const double[::1] s,
          const double[::1] row_data, const cnp.int64_t[::1] row_cols, const cnp.int64_t[::1] row_start,
          bint symmetric, double[:, ::1] out):
    # Row j of the product: every entry of column j meets the entries of its row on the right.
    cdef Py_ssize_t j, e, f, i, m = cols.shape[0]
    cdef double x, looked = 0
    cdef int threads = num_threads(1e1 * row_data.shape[0])
    for j in prange(m, nogil=True, schedule="dynamic", chunksize=4, num_threads=threads):
        if threadid() == 0:
            look(&looked)
        if stopped():
            continue
        for e in range(indptr[cols[j]], indptr[cols[j] + 1]):
            i = indices[e]
            x = data[e] * s[i]
            if x != 0:
                for f in range(row_start[i], row_start[i + 1]):
                    if symmetric and row_cols[f] > j:
                        break
                    out[j, row_cols[f]] += x * row_data[f]
    raise_if_interrupted()


def _row_gram(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
              const double[::1] mult, double[:, ::1] out):
    cdef Py_ssize_t j, e, f
    cdef double x, looked = 0
    with nogil:
        for j in range(indptr.shape[0] - 1):
            if look(&looked):
                break
            for e in range(indptr[j], indptr[j + 1]):
                x = data[e] * mult[j]
                for f in range(indptr[j], indptr[j + 1]):
                    out[indices[e], indices[f]] += x * data[f]
    raise_if_interrupted()


def _take(const value_t[::1] data, const index_t[::1] indices, const index_t[::1] indptr,
          const Py_ssize_t[::1] cols, const double[::1] mult, const double[::1] root,
          double[::1] out_data, cnp.int32_t[::1] out_indices):
    cdef Py_ssize_t j, e, o = 0
    with nogil:
        for j in range(cols.shape[0]):
            for e in range(indptr[cols[j]], indptr[cols[j] + 1]):
                out_data[o] = data[e] * mult[j] * root[indices[e]]
                out_indices[o] = <cnp.int32_t> indices[e]
                o += 1


class Sparse:
    """Raw verbs on a CSC array or matrix (canonical: no duplicate entries)."""

    is_sparse = True
    by_columns = False

    def __init__(self, X):
        self.X = X
        self.n, self.p = X.shape
        data = X.data if X.data.dtype.char in "fd" else X.data.astype(np.float64)
        indptr = X.indptr if X.indptr.dtype == X.indices.dtype else X.indptr.astype(X.indices.dtype)
        if not len(data):       # the kernels take addresses
            self._csc = (np.zeros(1), np.zeros(1, dtype=indptr.dtype), indptr)
        else:
            self._csc = (data, X.indices, indptr)

    def moments(self, s, v):
        """Means, centred second moments, and sums of v x, of all columns; the last are about 0."""
        out = np.empty((3, self.p))
        _moments(*self._csc, s, v, out)
        return out[0], out[1], out[2], np.zeros(self.p)

    def dots(self, R, mu):
        """(k, p): R (X - mu) for k residuals stored as rows."""
        return self.some_dots(np.arange(self.p), R, mu)

    def combine(self, cols, W, mu):
        """(k, n): sums over columns of W[k, j] (x[:, cols[j]] - mu[j])."""
        work = W.shape[0] * len(self._csc[0]) * (len(cols) / self.p)
        out = np.zeros((num_threads(0.2 * work), W.shape[0], self.n))
        _combine(*self._csc, cols, W, out)
        return out.sum(axis=0) - (W @ mu)[:, None]

    def through(self, R, mu, squares):
        """(k, n): R (X - mu) diag(squares) (X - mu)'."""
        return self.combine(np.arange(self.p), self.dots(R, mu) * squares, mu)

    def gram(self, left, right, mu, mult, root, rows=None):
        """(left, right): products of centred, scaled, weighted columns (see Dense.gram)."""
        s = root * root
        if rows is not None:
            s = s * np.bincount(rows, minlength=self.n)
        left = np.arange(self.p) if left is None else left
        symmetric = right is None
        right = left if symmetric else right
        by_row = self.X[:, right].tocsr()
        out = np.zeros((len(left), len(right)))
        _gram(*self._csc, left, s, by_row.data.astype(np.float64, copy=False),
              by_row.indices.astype(np.int64), by_row.indptr.astype(np.int64), symmetric, out)
        if symmetric:
            out = np.tril(out) + np.tril(out, -1).T
        # centring: sum s (x - mu)(z - nu) = sum s x z - mx nu - mu mz + mu nu sum(s)
        total = s.sum()
        if mu.any():
            sums = self.dots(s[None, :], np.zeros(self.p))[0] if rows is not None else mu
            a, b, u, v = sums[left], sums[right], mu[left], mu[right]
            out -= np.outer(a, v) + np.outer(u, b) - total * np.outer(u, v)
        return out * np.outer(mult[left], mult[right])

    def some_dots(self, cols, R, mu):
        """(k, m): ``dots`` of some columns."""
        out = np.empty((R.shape[0], len(cols)))
        _dots(*self._csc, np.asarray(cols, dtype=np.intp), R, np.asarray(mu)[cols], R.sum(axis=1), out)
        return out

    def gram_about(self, shift, root, extra, cols):
        """(m + k, m + k): Gram matrix of some columns about ``shift`` (p,) and of k further ones (see Dense)."""
        part, m = Sparse(self.X[:, cols]), len(cols)
        extra = extra * root
        out = np.empty((m + len(extra), m + len(extra)))
        zeros = np.zeros(m)
        out[m:, m:] = np.einsum("ki,li->kl", extra, extra)
        G = part.gram(None, None, zeros, np.ones(m), root)
        weighted = part.dots(np.vstack([root, extra]) * root, zeros)
        mean, total = shift[cols], float((root * root).sum())
        out[:m, :m] = G - np.outer(mean, weighted[0]) - np.outer(weighted[0], mean) + total * np.outer(mean, mean)
        out[m:, :m] = weighted[1:] - np.outer((extra * root).sum(axis=1), mean)
        out[:m, m:] = out[m:, :m].T
        return out

    def row_gram(self, mu, mult, root):
        """(n, n): products of centred rows, column j scaled by mult[j], row i by root[i]."""
        out = np.zeros((self.n, self.n))
        square = mult * mult
        _row_gram(*self._csc, square, out)
        if mu.any():
            every = np.arange(self.p)
            shift = self.combine(every, (square * mu)[None, :], np.zeros(self.p))[0]
            out += (mu * mu) @ square - shift[:, None] - shift[None, :]
        return out * np.outer(root, root)

    def rows(self, start, stop):
        """Rows as they are, dense float64."""
        return self.X[start:stop].toarray().astype(np.float64, copy=False)

    def take(self, cols, mult, root):
        """Columns scaled by mult and rows by root, packed: (data, indices, indptr)."""
        start = self._csc[2]
        counts = (start[cols + 1] - start[cols]).astype(np.int64)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        total = indptr[len(cols)]
        data, indices = np.empty(total), np.empty(total, dtype=np.int32)
        _take(*self._csc, cols, mult[cols], root, data, indices)
        return data, indices, indptr
