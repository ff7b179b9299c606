"""Passes over a batch, cut into tasks: without the GIL and without allocation.

A layer is three products (_simd/matrix.h), each with what follows it done on tiles that are still hot:

    Z = A W + b, then the activation, its slope and dropout    forward
    D_prev = (D W') * slope                                     deltas of the layer before; not needed for the first
    G = A' D, then the optimizer's step and prox                the gradient is never stored

The first two, and the loss between them, are matters of each row: a thread takes a chunk of rows through all layers
and back. Then the gradients of all layers are cut by their weights. So threads meet twice a batch, however many layers
there are, a thread finds its rows and its weights (with their moments) in its own cache each time, and no sum is
split between threads: the bits don't depend on them. The value of the loss is added up from blocks of a fixed size.
"""

from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from fastreg.networks.chain cimport Layer, load_sparse, share, up

cdef enum:
    BLOCK = 16                  # rows: at least a vector
    CHUNK = 256                 # rows: their activations stay in the second-level cache
    SPLIT = 16                  # rows of weights that make a task of their own


cdef class Passes:
    """Passes of a chain over the batches of one Space."""

    def __dealloc__(self):
        free(self.stages)
        free(self.tasks)
        free(self.made)
        free(self.loads)
        free(self.values)
        free(self.cuts)
        free(self.first_chunk)
        free(self.first_task)

    cdef void make_room(self, const Chain *c, Space *s, Loss loss, int threads):
        """For batches as large as the Space and up to so many threads; once."""
        cdef Py_ssize_t i, tasks = 0
        self.c, self.s, self.loss = c, s, loss
        for i in range(c.n_layers):
            tasks += threads * c.net.strips(max(c.layers[i].n, up(c.layers[i].n_in, c.net.width))) + 1
        self.stages = <Stage *>calloc(c.n_layers, sizeof(Stage))
        self.tasks = <Task *>calloc(tasks, sizeof(Task))
        self.made = <Task *>calloc(tasks, sizeof(Task))
        self.loads = <double *>calloc(threads, sizeof(double))
        self.values = <double *>calloc(s.rows // BLOCK + 1, sizeof(double))
        self.cuts = <Py_ssize_t *>calloc(s.rows // CHUNK + 2 * threads + 2, sizeof(Py_ssize_t))
        self.first_chunk = <Py_ssize_t *>calloc(threads + 1, sizeof(Py_ssize_t))
        self.first_task = <Py_ssize_t *>calloc(threads + 1, sizeof(Py_ssize_t))

    cdef void plan(self, Py_ssize_t m, bint training, const fr_dropout *drops, const fr_update *weights,
                   const fr_update *biases, int threads) noexcept nogil:
        """Prepare for batches of m rows; drops: of each hidden layer, or NULL; updates: not needed for predictions."""
        cdef const Chain *c = self.c
        cdef Py_ssize_t i
        self.m, self.training, self.threads = m, training, threads
        for i in range(c.n_layers):
            plan_forward(self, i, drops)
            if training:
                if i > 0:
                    plan_deltas(self, i)
                plan_gradient(self, i, weights, biases)
        cut_rows(self)
        if training:
            cut_gradients(self)

    cdef void forward(self, Py_ssize_t i0, Py_ssize_t i1, int thread) noexcept nogil:
        """Outputs of all layers in rows i0..i1, and slopes while training."""
        cdef const Chain *c = self.c
        cdef const Stage *stage
        cdef Py_ssize_t i, strip
        cdef char *scratch = self.s.scratch + thread * self.s.scratch_bytes
        for i in range(c.n_layers):
            stage = &self.stages[i]
            if stage.rows != NULL:
                c.net.sparse_product(&stage.forward, stage.rows, i0, i1)
                continue
            for strip in range(stage.n_forward):
                c.net.product(&stage.forward, i0, i1, strip, scratch)

    cdef void rows(self, const Piece *piece, Py_ssize_t chunk, int thread) noexcept nogil:
        """A chunk of rows, forward, through the loss, and their deltas back to the first layer.

        Dense X is loaded here; of sparse X the rows are there already. If not training: the value of the loss only.
        """
        cdef const Chain *c = self.c
        cdef Space *s = self.s
        cdef const Stage *stage
        cdef Py_ssize_t i0 = self.cuts[chunk], i1 = self.cuts[chunk + 1], i, strip, skipped
        cdef char *scratch = s.scratch + thread * s.scratch_bytes
        if not s.sparse:
            load_rows(c, s, piece.x, piece.order, i0, i1)
        skipped = 0 if piece.order != NULL else i0 * piece.y.ld * piece.y.nbytes
        c.net.gather(i1 - i0, piece.K, piece.y.data + skipped, piece.y.ld, piece.y.nbytes,
                     piece.order + i0 if piece.order != NULL else NULL, s.targets + i0 * piece.K * c.item, piece.K)
        share(c, s, i0, i1, piece.weight, piece.order, piece.total)
        self.forward(i0, i1, thread)
        evaluate(self, i0, i1, piece.K)
        if not self.training:
            return
        for i in range(c.n_layers - 1, 0, -1):
            stage = &self.stages[i]
            for strip in range(stage.n_deltas):
                c.net.product(&stage.deltas, i0, i1, strip, scratch)
            if c.layers[i - 1].charged:
                skipped = i0 * s.places[i - 1].ld * c.item
                c.net.activity(i1 - i0, c.layers[i - 1].n_out, s.places[i - 1].ld, c.layers[i - 1].l1,
                               c.layers[i - 1].l2, s.weight + i0 * c.item, s.places[i - 1].outputs + skipped,
                               s.places[i - 1].slopes + skipped, s.places[i - 1].deltas + skipped)

    cdef void gradient(self, Py_ssize_t task, int thread) noexcept nogil:
        """A part of a layer's gradient, with the step of its weights."""
        cdef const Chain *c = self.c
        cdef Space *s = self.s
        cdef const Task *t = &self.tasks[task]
        cdef const Stage *stage = &self.stages[t.layer]
        cdef const fr_update *bias = stage.bias
        cdef Py_ssize_t n = c.layers[t.layer].n
        cdef char *sums = s.sums + t.layer * s.sums_bytes
        if t.strip < 0:
            c.net.column_sums(self.m, n, s.places[t.layer].deltas, s.places[t.layer].ld, sums)
            bias.step(bias, 0, 1, max(n, <Py_ssize_t>c.net.width), sums, 0)
        elif stage.columns != NULL:
            c.net.sparse_product(&stage.gradient, stage.columns, t.i0, t.i1)
        else:
            c.net.product(&stage.gradient, t.i0, t.i1, t.strip, s.scratch + thread * s.scratch_bytes)

    cdef void run(self, const Piece *piece, Team team, Member *me, int thread) noexcept nogil:
        """A batch as each member of a team goes through it."""
        cdef Call call
        call.passes, call.piece = <void *>self, piece
        if self.s.sparse:
            team.phase(me, load_task, &call, team.single, thread)
        team.phase(me, rows_task, &call, self.first_chunk, thread)
        if self.training:
            team.phase(me, gradient_task, &call, self.first_task, thread)
        else:
            team.phase(me, value_task, &call, team.single, thread)


cdef struct Call:
    void *passes
    const Piece *piece


cdef void load_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Call *call = <Call *>context
    cdef const Piece *piece = call.piece
    load_sparse((<Passes>call.passes).c, (<Passes>call.passes).s, piece.m, piece.x, piece.order)


cdef void rows_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Call *call = <Call *>context
    if task == 0 and call.piece.once != NULL:
        call.piece.once(call.piece.context, 0, thread)
    (<Passes>call.passes).rows(call.piece, task, thread)


cdef void gradient_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Call *call = <Call *>context
    if task == 0:
        value_task(context, 0, thread)
    (<Passes>call.passes).gradient(task, thread)


cdef void value_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Call *call = <Call *>context
    add_values(<Passes>call.passes, call.piece.value)


cdef void add_values(Passes p, double *total) noexcept nogil:
    """Sum of the weighted losses of the batch."""
    cdef Py_ssize_t block
    total[0] = 0
    for block in range((p.m + BLOCK - 1) // BLOCK):
        total[0] += p.values[block]


cdef void load_rows(const Chain *c, Space *s, const Source *x, const Py_ssize_t *order, Py_ssize_t i0,
                    Py_ssize_t i1) noexcept nogil:
    """Gather rows i0..i1 of a batch from dense X."""
    cdef const Py_ssize_t *rows = order + i0 if order != NULL else NULL
    cdef const char *data = x.data if order != NULL else x.data + i0 * x.row
    cdef char *to = s.x + i0 * s.ldx * c.item
    if x.other:
        c.net.gather_any(i1 - i0, c.layers[0].n_in, data, x.row, x.column, x.kind, rows, to, s.ldx)
    else:
        c.net.gather(i1 - i0, c.layers[0].n_in, data, x.ld, x.nbytes, rows, to, s.ldx)


cdef void evaluate(Passes p, Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t targets) noexcept nogil:
    """The loss of rows i0..i1, block by block; its gradient becomes the last deltas."""
    cdef const Chain *c = p.c
    cdef Space *s = p.s
    cdef Py_ssize_t K = c.layers[c.n_layers - 1].n_out, ld = s.places[c.n_layers - 1].ld, block, at, m
    cdef char *outputs = s.places[c.n_layers - 1].outputs
    cdef char *deltas = s.places[c.n_layers - 1].deltas
    cdef char *raw = outputs
    cdef char *slopes = deltas
    if ld != K:
        raw, slopes = s.raw, s.gradient
        c.net.gather(i1 - i0, K, outputs + i0 * ld * c.item, ld, c.item, NULL, raw + i0 * K * c.item, K)
    for block in range(i0 // BLOCK, (i1 + BLOCK - 1) // BLOCK):
        at = block * BLOCK
        m = min(<Py_ssize_t>BLOCK, i1 - at)
        p.values[block] = p.loss.evaluate(
            c.f32, m, K, raw + at * K * c.item, s.targets + at * targets * c.item, s.weight + at * c.item,
            slopes + at * K * c.item if p.training else NULL, NULL)
    if p.training and ld != K:
        c.net.gather(i1 - i0, K, slopes + i0 * K * c.item, K, c.item, NULL, deltas + i0 * ld * c.item, ld)


cdef inline bint pays_packing(const fr_product *p, Py_ssize_t item) noexcept nogil:
    """Whether B is more than the first-level cache keeps, and used by more than a few rows."""
    return p.k * p.ldb * item > 24576 and p.m > 16


cdef void plan_forward(Passes self, Py_ssize_t i, const fr_dropout *drops) noexcept nogil:
    cdef const Chain *c = self.c
    cdef const Space *s = self.s
    cdef const Layer *layer = &c.layers[i]
    cdef Stage *stage = &self.stages[i]
    cdef fr_product *p = &stage.forward
    memset(stage, 0, sizeof(Stage))
    p.m, p.k, p.n = self.m, layer.n_in, layer.n
    p.a, p.ai, p.ak = s.x, s.ldx, 1
    if i > 0:
        p.a, p.ai = s.places[i - 1].outputs, s.places[i - 1].ld
    elif s.sparse:
        stage.rows = &s.csr
    p.b, p.ldb, p.bias = c.arena + layer.w * c.item, layer.ld, c.arena + layer.b * c.item
    p.packed = pays_packing(p, c.item)
    p.c, p.ldc = s.places[i].outputs, s.places[i].ld
    p.finish = c.net.forward
    p.floor = -INFINITY
    if self.training and i < c.n_layers - 1 and (layer.slopes or layer.charged):
        p.slope = s.places[i].slopes if layer.charged else s.places[i].deltas
        p.activate = layer.activate
    elif layer.relu:
        p.floor = 0
    elif not layer.identity:
        p.activate = layer.activate
    if drops != NULL and i < c.n_layers - 1 and drops[i].rate > 0:
        p.drop = &drops[i]
    stage.n_forward = 1 if p.n == 1 else c.net.strips(p.n)


cdef void plan_deltas(Passes self, Py_ssize_t i) noexcept nogil:
    """From the deltas of layer i to those of the layer before."""
    cdef const Chain *c = self.c
    cdef const Space *s = self.s
    cdef const Layer *layer = &c.layers[i]
    cdef const Layer *below = &c.layers[i - 1]
    cdef fr_product *p = &self.stages[i].deltas
    p.m, p.k, p.n, p.nb = self.m, layer.n_out, below.n, layer.n_in
    p.a, p.ai, p.ak = s.places[i].deltas, s.places[i].ld, 1
    p.b, p.ldb, p.transposed = c.arena + layer.w * c.item, layer.ld, layer.n != 1
    p.c, p.ldc = s.places[i - 1].deltas, s.places[i - 1].ld
    if below.slopes and not below.charged:
        p.finish = c.net.through_slope
    elif below.relu and not below.charged:
        p.finish, p.outputs = c.net.through_relu, s.places[i - 1].outputs
    else:
        p.finish = c.net.store
    self.stages[i].n_deltas = 1 if p.n == 1 else c.net.strips(p.n)


cdef void plan_gradient(Passes self, Py_ssize_t i, const fr_update *weights, const fr_update *biases) noexcept nogil:
    cdef const Chain *c = self.c
    cdef const Space *s = self.s
    cdef const Layer *layer = &c.layers[i]
    cdef Stage *stage = &self.stages[i]
    cdef fr_product *p = &stage.gradient
    cdef Py_ssize_t columns = up(layer.n_in, c.net.width)
    p.a, p.ai, p.ak = s.x, 1, s.ldx
    if i > 0:
        p.a, p.ak = s.places[i - 1].outputs, s.places[i - 1].ld
        columns = columns if c.layers[i - 1].n != 1 else 1
    elif s.sparse:
        stage.columns = &s.transposed
    p.m, p.k, p.n = layer.n_in, self.m, layer.n
    p.b, p.ldb = s.places[i].deltas, s.places[i].ld
    if layer.n == 1 and stage.columns == NULL:       # the roles swapped: G' = D' A
        p.m, p.n = 1, columns
        p.b, p.ldb = p.a, p.ak
        p.a, p.ai, p.ak = s.places[i].deltas, 0, s.places[i].ld
    p.packed = pays_packing(p, c.item)
    p.finish, p.update, p.ldc = c.net.updating, &weights[i], layer.ld
    stage.bias = &biases[i]
    stage.n_gradient = 1 if stage.columns != NULL or p.n == 1 else c.net.strips(p.n)


cdef void cut_rows(Passes self) noexcept nogil:
    """Chunks of rows: as even shares as blocks allow, in parts of no more than CHUNK."""
    cdef Py_ssize_t blocks = (self.m + BLOCK - 1) // BLOCK, chunk = 0, at, end, parts, part
    cdef int thread
    self.cuts[0] = 0
    for thread in range(self.threads):
        self.first_chunk[thread] = chunk
        at, end = thread * blocks // self.threads, (thread + 1) * blocks // self.threads
        parts = ((end - at) * BLOCK + CHUNK - 1) // CHUNK
        for part in range(parts):
            chunk += 1
            self.cuts[chunk] = min(self.m, (at + (part + 1) * (end - at) // parts) * BLOCK)
    self.first_chunk[self.threads] = chunk


cdef void cut_gradients(Passes self) noexcept nogil:
    """Layers with rows enough give each thread a run of them, the others' strips go where there is least to do."""
    cdef Py_ssize_t i, strip, part, parts, n = 0, unit, m
    cdef const Stage *stage
    cdef int thread
    for thread in range(self.threads):
        self.loads[thread] = 0
    for i in range(self.c.n_layers):
        stage = &self.stages[i]
        m = stage.gradient.m
        parts = self.threads if m >= SPLIT * self.threads else 1
        # tiles are 8 rows high, a line of A in them 16 floats wide; a single column wants whole vectors
        unit = 16 if m >= 64 * parts or stage.gradient.n == 1 else 8
        for part in range(parts):
            for strip in range(stage.n_gradient):
                self.made[n].layer, self.made[n].strip = i, strip
                self.made[n].i0 = min(m, up(part * m // parts, unit))
                self.made[n].i1 = min(m, up((part + 1) * m // parts, unit))
                self.made[n].owner = part if parts > 1 else least(self)
                self.loads[self.made[n].owner] += (
                    <double>(self.made[n].i1 - self.made[n].i0) * stage.gradient.n / stage.n_gradient)
                n += 1
    for i in range(self.c.n_layers):
        self.made[n].layer, self.made[n].strip, self.made[n].owner = i, -1, least(self)
        self.loads[self.made[n].owner] += self.c.layers[i].n
        n += 1
    m = 0
    for thread in range(self.threads):
        self.first_task[thread] = m
        for i in range(n):
            if self.made[i].owner == thread:
                self.tasks[m] = self.made[i]
                m += 1
    self.first_task[self.threads] = m


cdef int least(Passes self) noexcept nogil:
    cdef int thread, found = 0
    for thread in range(1, self.threads):
        if self.loads[thread] < self.loads[found]:
            found = thread
    return found
