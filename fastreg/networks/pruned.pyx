"""Prediction of a network most of whose weights are zero.

Rows go through all layers a panel of 8 vectors at a time, transposed, so that a weight multiplies a run of numbers and
a layer is a sparse matrix times a panel (`sparse_product` of _simd/batch.h): a zero weight costs nothing, and a
panel's activations stay in the second-level cache from the first layer to the last. A neuron's bias is the weight of
one more input, which is 1. A layer with few zeros is kept like the others, with all its weights.
"""

import numpy as np
from scipy import sparse

cimport numpy as cnp
from libc.stdint cimport int32_t
from libc.string cimport memset

from fastreg._simd.dispatch cimport fr_activation, fr_net, fr_product, fr_rows, kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted
from fastreg.networks.activations cimport find_activation

cnp.import_array()

cdef enum:
    VECTORS = 8                     # in a run: what sparse_product keeps in registers
    MOST_LAYERS = 64

ctypedef fused real:
    float
    double


cdef struct PanelLayer:
    Py_ssize_t n_in, n_out
    fr_rows rows                    # a neuron's incoming weights, its bias last
    fr_activation activate          # NULL for the last layer


cdef struct Work:
    const fr_net *net
    PanelLayer *layers
    int n_layers
    bint f32
    const char *x
    Py_ssize_t n, ld, run, n_used
    const Py_ssize_t *used
    char *room                      # of each thread: two panels
    Py_ssize_t room_bytes
    char *out


cdef void run_panel(const Work *w, Py_ssize_t first, real *a, real *b) noexcept nogil:
    cdef Py_ssize_t run = w.run, width = w.net.width, rows = min(run, w.n - first), strip, block, i, p
    cdef Py_ssize_t K = w.layers[w.n_layers - 1].n_out
    cdef const real *x = <const real *>w.x + first * w.ld
    cdef real *out = <real *>w.out + first * K
    cdef real *swap
    cdef fr_product product
    cdef int depth
    memset(&product, 0, sizeof(fr_product))
    product.n, product.ldb, product.ldc = (rows + width - 1) // width * width, run, run
    product.finish = w.net.store
    # 16 rows at a time are read along, and 16 columns of them are written, to lines that are still in the first cache
    for strip in range((rows + 15) // 16):
        for block in range((w.n_used + 15) // 16):
            for p in range(16 * strip, min(16 * strip + 16, rows)):
                for i in range(16 * block, min(16 * block + 16, w.n_used)):
                    a[i * run + p] = x[p * w.ld + w.used[i]]
    if rows < product.n:
        for i in range(w.n_used):
            for p in range(rows, product.n):
                a[i * run + p] = 0
    for depth in range(w.n_layers):
        for p in range(product.n):
            a[w.layers[depth].n_in * run + p] = 1
        product.m, product.k, product.b, product.c = w.layers[depth].n_out, w.layers[depth].n_in + 1, a, b
        w.net.sparse_product(&product, &w.layers[depth].rows, 0, product.m)
        if w.layers[depth].activate:
            w.layers[depth].activate(product.m, product.n, run, b, NULL)
        swap = a
        a = b
        b = swap
    for p in range(rows):
        for i in range(K):
            out[p * K + i] = a[i * run + p]


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Work *w = <const Work *>context
    cdef char *room = w.room + thread * w.room_bytes
    if w.f32:
        run_panel[float](w, task * w.run, <float *>room, <float *>(room + w.room_bytes // 2))
    else:
        run_panel[double](w, task * w.run, <double *>room, <double *>(room + w.room_bytes // 2))


cdef class PrunedNetwork:
    """A network with sparse layers, for prediction.

    Parameters
    ----------
    weights : list of ndarray or sparse of shape (n_in, n_out)
        Of float32 or float64, all the same.
    biases : list of ndarray of shape (n_out,)
    activations : list of str
        One for each hidden layer.
    used : ndarray of intp of shape (n_used,)
        The columns of X that the first layer reads.
    """

    cdef PanelLayer layers[MOST_LAYERS]
    cdef int n_layers
    cdef readonly object dtype
    cdef list kept
    cdef cnp.ndarray used
    cdef Py_ssize_t widest
    cdef double work

    def __init__(self, weights, biases, activations, used):
        cdef PanelLayer *layer
        cdef int depth
        if len(weights) > MOST_LAYERS:
            raise ValueError(f"At most {MOST_LAYERS} layers; got {len(weights)}.")
        self.dtype, self.n_layers, self.kept = weights[0].dtype, len(weights), []
        self.used = np.ascontiguousarray(used, dtype=np.intp)
        self.widest, self.work = max(len(used), *(W.shape[1] for W in weights)), 0
        cdef const fr_net *net = &kernels.net32 if self.dtype == np.float32 else &kernels.net64
        cdef cnp.ndarray start, index, value
        for depth in range(self.n_layers):
            W, layer = weights[depth], &self.layers[depth]
            layer.n_in, layer.n_out = W.shape
            bias = sparse.csr_array(biases[depth][:, None])
            rows = sparse.hstack([sparse.csr_array(W.T), bias], format="csr")
            start = np.ascontiguousarray(rows.indptr, dtype=np.intp)
            index = np.ascontiguousarray(rows.indices, dtype=np.int32)
            value = np.ascontiguousarray(rows.data, dtype=self.dtype)
            self.kept += [start, index, value]
            layer.rows.start = <Py_ssize_t *>cnp.PyArray_DATA(start)
            layer.rows.index = <int32_t *>cnp.PyArray_DATA(index)
            layer.rows.value = cnp.PyArray_DATA(value)
            layer.activate = NULL
            if depth < self.n_layers - 1 and activations[depth] != "identity":
                layer.activate = find_activation(net, activations[depth])
            self.work += value.size

    def raw(self, X):
        """Raw predictions.

        Parameters
        ----------
        X : ndarray or CSR of shape (n_samples, n_features), float32 or float64

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        if sparse.issparse(X) or X.dtype != self.dtype or X.strides[1] != X.itemsize or X.strides[0] % X.itemsize:
            parts = [self._raw(self._rows(X, at)) for at in range(0, X.shape[0], 4096)]
            return np.concatenate(parts)
        return self._raw(X)

    def _rows(self, X, at):
        """4096 rows of X as they have to be."""
        rows = X[at: at + 4096]
        return np.ascontiguousarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=self.dtype)

    def _raw(self, X):
        cdef Work w
        cdef cnp.ndarray x = X
        w.f32 = self.dtype == np.float32
        w.net = &kernels.net32 if w.f32 else &kernels.net64
        w.run = VECTORS * w.net.width
        cdef Py_ssize_t n = X.shape[0], n_tasks = (n + w.run - 1) // w.run
        cdef cnp.ndarray out = np.empty((n, self.layers[self.n_layers - 1].n_out), self.dtype)
        cdef int threads = min(num_threads(self.work * n), n_tasks)
        w.room_bytes = 2 * (self.widest + 1) * w.run * out.itemsize
        cdef cnp.ndarray room = np.empty(w.room_bytes * threads + 64, np.uint8)
        w.layers, w.n_layers = self.layers, self.n_layers
        w.x, w.n, w.ld = <const char *>cnp.PyArray_DATA(x), n, x.strides[0] // x.itemsize
        w.used, w.n_used = <const Py_ssize_t *>cnp.PyArray_DATA(self.used), self.used.shape[0]
        w.room = <char *>((<size_t>cnp.PyArray_DATA(room) + 63) // 64 * 64)
        w.out = <char *>cnp.PyArray_DATA(out)
        with nogil:
            parallel_for(run_task, &w, n_tasks, threads)
        raise_if_interrupted()
        return out
