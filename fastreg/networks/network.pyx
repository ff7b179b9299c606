"""Network: layers, their weights in one arena, prediction and the gradient on all of the data."""

import numpy as np

cimport numpy as cnp
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from fastreg._simd.dispatch cimport fr_net, fr_update, kernels
from fastreg._threads cimport Member, Team, interrupted, num_threads, parallel_for, raise_if_interrupted
from fastreg.networks.activations cimport find_activation
from fastreg.networks.chain cimport Space, Spaces, address, aligned, load_sparse, padded, products, up
from fastreg.networks.passes cimport Passes, Piece, load_rows
from fastreg.networks.subnormals cimport flush_subnormals, set_mode

from fastreg._simd.dispatch import KINDS
from fastreg.losses import get_loss

cnp.import_array()

# Rows of a batch: its activations should stay in the second-level cache.
cdef Py_ssize_t BATCH_BYTES = 1 << 18
cdef Py_ssize_t MIN_ROWS = 64, MAX_ROWS = 512
cdef Py_ssize_t LEAST_ROWS = 16         # of a thread's share
cdef Py_ssize_t RUN = 64                # batches between looks for Ctrl-C


cdef class Network:
    """A chain of dense layers.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, of each hidden layer's neurons, of outputs.
    activations : sequence of str
        One for each hidden layer; see ``fastreg.networks.activations``. The last layer has none: the loss sees raw
        predictions.
    loss : str or Loss
    dtype : float32 or float64
        What everything is computed in.

    Attributes
    ----------
    weights, biases : list of ndarray
        Of shapes (n_in, n_out) and (n_out,). Views of the network's own memory, zeros at first: write into them. Rows
        of the weights are padded, so a view is not contiguous.
    """

    def __cinit__(self, sizes, activations, loss, dtype=np.float32):
        cdef Py_ssize_t i, n_in, n_out, at = 0
        cdef Layer *layer
        cdef Chain *c = &self.chain
        self.sizes, self.activations = tuple(int(n) for n in sizes), tuple(activations)
        self.dtype = np.dtype(dtype)
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes must be two positive numbers or more; got {self.sizes}.")
        if len(self.activations) != len(self.sizes) - 2:
            raise ValueError(
                f"activations must be one for each of the {len(self.sizes) - 2} hidden layers; got {self.activations}."
            )
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype}.")
        self.loss = get_loss(loss)
        c.f32, c.item, c.n_layers = self.dtype == np.float32, self.dtype.itemsize, len(self.sizes) - 1
        c.net = &kernels.net32 if c.f32 else &kernels.net64
        c.layers = self.layers = <Layer *>calloc(c.n_layers, sizeof(Layer))
        for i in range(c.n_layers):
            layer = &c.layers[i]
            n_in, n_out = self.sizes[i], self.sizes[i + 1]
            layer.n_in, layer.n_out = n_in, n_out
            layer.n = 1 if n_out == 1 else (n_out + c.net.width - 1) // c.net.width * c.net.width
            layer.ld = 1 if n_out == 1 else padded(c, n_out)
            layer.w = at
            at += padded(c, n_in) if n_out == 1 else n_in * layer.ld
            layer.b = at
            at += padded(c, n_out)
            name = self.activations[i] if i < c.n_layers - 1 else "identity"
            layer.activate = find_activation(c.net, name)
            layer.identity, layer.relu = name == "identity", name == "relu"
            layer.slopes = not (layer.identity or layer.relu)
        c.size = at
        self.arena = aligned(at * c.item)
        c.arena = address(self.arena)
        self.weights, self.biases = self.views(self.arena, False), self.views(self.arena, True)

    def __dealloc__(self):
        free(self.layers)

    def __reduce__(self):
        state = [np.array(a) for a in self.weights], [np.array(a) for a in self.biases]
        return Network, (self.sizes, self.activations, self.loss, self.dtype), state

    def __setstate__(self, state):
        for mine, given in zip(self.weights + self.biases, state[0] + state[1], strict=True):
            mine[...] = given

    cdef list views(self, object arena, bint biases):
        """Arrays of an arena's layers, without the padding."""
        cdef Py_ssize_t i
        cdef const Layer *layer
        flat = arena.view(self.dtype)
        found = []
        for i in range(self.chain.n_layers):
            layer = &self.chain.layers[i]
            if biases:
                found.append(flat[layer.b: layer.b + layer.n_out])
            else:
                block = flat[layer.w: layer.w + layer.n_in * layer.ld]
                found.append(block.reshape(layer.n_in, layer.ld)[:, : layer.n_out])
        return found

    cdef Py_ssize_t columns(self, object Y) except -1:
        """Columns of Y: class numbers are one."""
        found = 1 if Y.ndim == 1 else Y.shape[1]
        expected = 1 if self.loss.name == "softmax" else self.sizes[len(self.sizes) - 1]
        if found != expected:
            raise ValueError(f"Y must have {expected} column(s) for this network and loss; got {found}.")
        return found

    def _rows(self):
        """Rows of a batch where the caller gives none."""
        return max(MIN_ROWS, min(MAX_ROWS, BATCH_BYTES // (self.chain.item * max(self.sizes))))

    def raw(self, X):
        """Raw predictions: what the loss sees, before its inverse link.

        Parameters
        ----------
        X : ndarray or CSR of shape (n_samples, n_inputs)
            Floats, integers or bool in any strides, read and cast in batches; never copied whole.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs) and the network's dtype
        """
        cdef Prediction work
        cdef Source x
        cdef Chain *c = &self.chain
        cdef Py_ssize_t rows, n = X.shape[0], thread
        cdef int threads = num_threads(products(c) * n / 4)
        cdef Passes one
        X = describe(&x, X, c.layers[0].n_in, "X")
        rows = max(1, min(n, <Py_ssize_t>self._rows(), up((n + threads - 1) // threads, LEAST_ROWS)))
        cdef cnp.ndarray out = np.empty((n, c.layers[c.n_layers - 1].n_out), self.dtype)
        work.c, work.x, work.n, work.rows, work.out = c, &x, n, rows, <char *>cnp.PyArray_DATA(out)
        work.n_tasks = (n + rows - 1) // rows
        threads = min(threads, <int>max(1, work.n_tasks))
        cdef Spaces spaces = Spaces(threads)
        spaces.lay_out(c, rows, 0, batch_elements(X, None, rows, rows), False, 1, NULL)
        passes = [Passes() for _ in range(threads)]
        work.spaces, work.passes = spaces.space, <void **>calloc(<unsigned int> threads, sizeof(void *))
        for thread in range(threads):
            one = passes[thread]
            one.make_room(c, &spaces.space[thread], self.loss, 1)
            one.plan(rows, False, NULL, NULL, NULL, 1)
            work.passes[thread] = <void *>one
        with nogil:
            parallel_for(predict_task, &work, work.n_tasks, threads)
        free(work.passes)
        raise_if_interrupted()
        return out

    def objective(self, X, Y, sample_weight=None):
        """Mean weighted loss, without penalties."""
        return self._pass(X, Y, sample_weight, None)

    def gradient(self, X, Y, sample_weight=None, arena=None):
        """(mean weighted loss, its gradients in the weights, in the biases) over all rows, lists of arrays.

        ``arena``: memory for them that a trainer has, or None.
        """
        if arena is None:
            arena = aligned(self.chain.size * self.chain.item)
        else:
            arena[:] = 0
        value = self._pass(X, Y, sample_weight, arena)
        return value, self.views(arena, False), self.views(arena, True)

    def _pass(self, X, Y, sample_weight, arena):
        cdef Chain *c = &self.chain
        cdef Source x, y, weight
        cdef Py_ssize_t n = X.shape[0], rows = min(n, <Py_ssize_t>self._rows()), i, K = self.columns(Y)
        cdef bint gradient = arena is not None
        cdef fr_update *updates = NULL
        cdef double value = 0
        cdef int threads = num_threads(products(c) * n / 4)
        cdef Sum work
        cdef Team team
        cdef Passes passes
        X, Y = describe(&x, X, c.layers[0].n_in, "X"), describe(&y, Y, K, "Y")
        # Weights of sum 1: the gradient is that of the mean.
        if sample_weight is None:
            scaled = np.full(n, 1.0 / n)
        else:
            scaled = np.asarray(sample_weight, np.float64)
            scaled = scaled / scaled.sum()
        scaled = describe(&weight, scaled, 1, "sample_weight")
        threads = <int>max(1, min(<Py_ssize_t>threads, rows // LEAST_ROWS))
        cdef Spaces spaces = Spaces(1)
        spaces.lay_out(c, rows, K, batch_elements(X, None, rows, rows), gradient, threads, NULL)
        team, passes = Team(threads), Passes()
        passes.make_room(c, spaces.space, self.loss, threads)
        if gradient:
            updates = <fr_update *>calloc(2 * c.n_layers, sizeof(fr_update))
            for i in range(c.n_layers):
                accumulate(&updates[i], c.net, address(arena) + c.layers[i].w * c.item, c.layers[i].ld)
                accumulate(&updates[c.n_layers + i], c.net, address(arena) + c.layers[i].b * c.item, 0)
        work.c, work.x, work.y, work.weight, work.K = c, &x, &y, &weight, K
        work.passes, work.team = <void *>passes, <void *>team
        work.at, work.rows = 0, rows
        cdef double[::1] values = np.zeros(RUN)
        work.values = &values[0]
        with nogil:
            while work.at < n:
                # a run of whole batches, then what is left
                work.n_batches = min(<Py_ssize_t>RUN, (n - work.at) // rows)
                if work.n_batches == 0:
                    work.n_batches, work.rows = 1, n - work.at
                passes.plan(work.rows, gradient, NULL, updates, updates + c.n_layers, threads)
                team.begin()
                parallel_for(sum_task, &work, threads, threads)
                for i in range(work.n_batches):
                    value += values[i]
                work.at += work.n_batches * work.rows
                if interrupted():
                    break
        free(updates)
        raise_if_interrupted()
        return value


# A run of batches whose losses and gradients are added up.
cdef struct Sum:
    Chain *c
    const Source *x
    const Source *y
    const Source *weight
    void *passes
    void *team
    Py_ssize_t at, rows, n_batches, K
    double *values


cdef void sum_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Sum *w = <Sum *>context
    cdef unsigned long long mode = flush_subnormals()
    add_batches(w, <Passes>w.passes, <Team>w.team, thread)
    set_mode(mode)


cdef void add_batches(Sum *w, Passes passes, Team team, int thread) noexcept nogil:
    """What each member of the team does."""
    cdef Source x, y = w.y[0], weight = w.weight[0]
    cdef Piece piece
    cdef Member me
    cdef Py_ssize_t batch
    memset(&me, 0, sizeof(Member))
    memset(&piece, 0, sizeof(Piece))
    piece.x, piece.y, piece.weight, piece.m, piece.K, piece.total = &x, &y, &weight, w.rows, w.K, 1
    for batch in range(w.n_batches):
        x = rows_from(w.x, w.at + batch * w.rows)
        y.data = w.y.data + (w.at + batch * w.rows) * y.ld * y.nbytes
        weight.data = w.weight.data + (w.at + batch * w.rows) * weight.nbytes
        piece.value = &w.values[batch]
        passes.run(&piece, team, &me, thread)


cdef void accumulate(fr_update *u, const fr_net *net, char *to, Py_ssize_t ld) noexcept:
    """An update that adds up gradients: gradient descent at rate -1."""
    memset(u, 0, sizeof(fr_update))
    u.step, u.w, u.ld, u.rate, u.scale = net.sgd, to, ld, -1, 1


cdef struct Prediction:
    Chain *c
    Source *x
    Space *spaces
    void **passes               # of each thread
    Py_ssize_t n, rows, n_tasks
    char *out


cdef Source rows_from(const Source *x, Py_ssize_t at) noexcept nogil:
    """X from row ``at`` on."""
    cdef Source part = x[0]
    if x.sparse:
        part.csr.start = <const char *>x.csr.start + at * x.csr.index_bytes
    else:
        part.data += at * x.row
    return part


cdef void predict_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Prediction *w = <Prediction *>context
    cdef const Chain *c = w.c
    cdef Space *s = &w.spaces[thread]
    cdef Py_ssize_t at = task * w.rows, m = min(w.rows, w.n - at), K = c.layers[c.n_layers - 1].n_out
    cdef Source x = rows_from(w.x, at)
    cdef unsigned long long mode = flush_subnormals()
    if x.sparse:
        load_sparse(c, s, m, &x, NULL)
    else:
        load_rows(c, s, &x, NULL, 0, m)
    (<Passes>w.passes[thread]).forward(0, m, 0)
    c.net.gather(m, K, s.places[c.n_layers - 1].outputs, s.places[c.n_layers - 1].ld, c.item, NULL,
                 w.out + at * K * c.item, K)
    set_mode(mode)


cdef object describe(Source *source, object array, Py_ssize_t n_columns, str name):
    """Where an array's rows are. Returns what must be kept alive.

    X may have any strides, and integers, as batches are cast: only the others are converted if need be.
    """
    memset(source, 0, sizeof(Source))
    found = 1 if array.ndim == 1 else array.shape[1]
    if found != n_columns:
        raise ValueError(f"{name} must have {n_columns} column(s); got {found}.")
    if hasattr(array, "tocsr"):
        array = array.tocsr()
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        source.sparse, source.csr.nbytes = True, array.dtype.itemsize
        indices, indptr = array.indices, array.indptr
        if indices.dtype != indptr.dtype or indices.dtype not in (np.int32, np.int64):
            indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
        kept = [np.ascontiguousarray(part) for part in (array.data, indices, indptr)]
        source.csr.value, source.csr.index, source.csr.start = address(kept[0]), address(kept[1]), address(kept[2])
        source.csr.index_bytes = kept[1].dtype.itemsize
        return array, kept
    floats = array.dtype in (np.float32, np.float64)
    kind = KINDS.get(array.dtype) if name == "X" else None
    if kind is None and not floats:
        array = np.asarray(array, np.float64)
    if kind is None or not array.size:
        array = np.ascontiguousarray(array)
    item = array.dtype.itemsize
    source.data, source.nbytes, source.ld, source.row = address(array), item, n_columns, n_columns * item
    if kind is not None and array.size:
        source.kind, source.row, source.column = kind, array.strides[0], array.strides[1]
        source.other = not floats or source.column != item or source.row % item != 0 or source.row < 0
        source.ld = source.row // item
    return array


cdef Py_ssize_t batch_elements(object X, object order, Py_ssize_t batch, Py_ssize_t piece) except -2:
    """Most elements in a piece of a batch of consecutive rows (of ``order``); -1 for dense X."""
    if not isinstance(X, tuple):
        return -1
    counts = np.diff(X[0].indptr)
    if order is not None:
        counts = counts[order]
    if not len(counts):
        return 0
    starts = (np.arange(0, len(counts), batch)[:, None] + np.arange(0, batch, piece)).ravel()
    return int(np.add.reduceat(counts, starts[starts < len(counts)], dtype=np.int64).max())
