"""Steps: the optimizer's state, the numbers of each layer's update, and what isn't done while a gradient's tile is hot.

That is a step from a gradient that was added up first (clipping, batches in pieces), and the prox of a penalty
that is more than l1 |w| + l2/2 w^2, on a copy, in the optimizer's metric. Both go by parts of the weights, which
threads share; the parts are the same for any number of threads.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from fastreg.networks.chain cimport Layer, address, aligned, padded, up
from fastreg.networks.network cimport accumulate
from fastreg.networks.optimizers cimport SGD
from fastreg.penalties.penalty cimport Penalty, Separable

cnp.import_array()

cdef enum:
    SIZE = 1 << 13              # weights of a part: with its moments it stays in the second-level cache
    LINE = 16                   # weights that penalties on blocks take at a time; no less than a cache line's

ctypedef fused real:
    float
    double


cdef class Steps:
    """The steps of a network's training.

    Parameters
    ----------
    net : Network
    optimizer : SGD or Adam
    penalties : list of (None or Penalty)
        Of each layer's weights, then of each layer's biases.
    clip : float
        Bound of the 2-norm of a batch's whole gradient; 0: none.
    decay : float
        Weights, not biases, are multiplied by ``1 - rate * decay`` before each step.
    """

    def __cinit__(self, Network net, Optimizer optimizer, list penalties, double clip, double decay):
        cdef Py_ssize_t which, i, most = 0, L = net.chain.n_layers
        self.net, self.optimizer, self.penalties, self.clip, self.decay = net, optimizer, penalties, clip, decay
        self.c = &net.chain
        self.updates = <fr_update *>calloc(2 * L, sizeof(fr_update))
        self.sums = <fr_update *>calloc(2 * L, sizeof(fr_update))
        self.borrowed = <void **>calloc(2 * L, sizeof(void *))
        # Weights at rest have moments of 0: the arenas of all have the same layout.
        self.m = aligned(self.c.size * self.c.item) if optimizer.moments >= 1 else None
        self.v = aligned(self.c.size * self.c.item) if optimizer.moments >= 2 else None
        for which in range(2 * L):
            cut(&self.parts, which, 1, self.length(which), 0, SIZE)
            penalty = penalties[which]
            self.borrowed[which] = <void *>penalty
            if penalty is not None and not (<Penalty>penalty).fused:
                self.cut_apart(which, penalty)
        self.squares = <double *>calloc(self.parts.count, sizeof(double))
        for i in range(self.apart.count):
            most = max(most, self.apart.part[i].rows * self.apart.part[i].columns)
        self.room_bytes = (up(most, LINE) + LINE) * self.c.item

    def __dealloc__(self):
        free(self.updates)
        free(self.sums)
        free(self.borrowed)
        free(self.squares)
        free(self.parts.part)
        free(self.parts.first)
        free(self.apart.part)
        free(self.apart.first)

    cdef object cut_apart(self, Py_ssize_t which, object penalty):
        """Sums over weights are cut anywhere, padding and all, penalties on blocks between blocks."""
        cdef const Layer *layer = &self.c.layers[which % self.c.n_layers]
        cdef Py_ssize_t n_in = layer.n_in if which < self.c.n_layers else 1
        cdef Py_ssize_t ld = layer.ld if which < self.c.n_layers else layer.n_out
        if isinstance(penalty, Separable):
            cut(&self.apart, which, 1, self.length(which), 0, SIZE)
        elif "feature" in penalty.args:
            cut_rows(&self.apart, which, n_in, layer.n_out, ld)
        else:
            cut(&self.apart, which, n_in, layer.n_out, ld, max(<Py_ssize_t>LINE, SIZE // n_in // LINE * LINE))

    cdef Py_ssize_t length(self, Py_ssize_t which) noexcept nogil:
        """Elements of update ``which`` in an arena, with padding."""
        cdef Py_ssize_t L = self.c.n_layers
        cdef const Layer *layer = &self.c.layers[which % L]
        if which >= L:
            return padded(self.c, layer.n_out)
        return padded(self.c, layer.n_in) if layer.n_out == 1 else layer.n_in * layer.ld

    cdef Py_ssize_t offset(self, Py_ssize_t which) noexcept nogil:
        """Where it begins there, in bytes."""
        cdef const Layer *layer = &self.c.layers[which % self.c.n_layers]
        return (layer.w if which < self.c.n_layers else layer.b) * self.c.item

    def get_state(self):
        """Moments: a dict of arrays."""
        return {name: np.array(array) for name, array in self._moments()}

    def set_state(self, state):
        for name, array in self._moments():
            array[...] = state[name]

    def _moments(self):
        for name, arena in (("m", self.m), ("v", self.v)):
            if arena is not None:
                for kind, biases in (("", False), ("b", True)):
                    for i, array in enumerate(self.net.views(arena, biases)):
                        yield f"{name}{kind}{i}", array

    cdef object reset(self):
        """Moments of 0."""
        for arena in (self.m, self.v):
            if arena is not None:
                arena[:] = 0

    cdef object make_room(self, int threads):
        """For teams of up to so many."""
        self.room = aligned(3 * threads * self.room_bytes if self.apart.count else 0)
        self.room_at = address(self.room)
        self.parts.first = <Py_ssize_t *>realloc(self.parts.first, (threads + 1) * sizeof(Py_ssize_t))
        self.apart.first = <Py_ssize_t *>realloc(self.apart.first, (threads + 1) * sizeof(Py_ssize_t))

    cdef object point(self, bint whole):
        """Before an epoch: where each update finds its weights and moments; a gradient of 0, if one is added up."""
        cdef Py_ssize_t which, L = self.c.n_layers, offset
        cdef fr_update *u
        if not whole and self.gradient is None:
            self.gradient = aligned(self.c.size * self.c.item)
            self.gradient_at = address(self.gradient)
        elif not whole:
            self.gradient[:] = 0
        for which in range(2 * L):
            u = &self.updates[which]
            offset = self.offset(which)
            u.w = self.c.arena + offset
            u.m = address(self.m) + offset if self.m is not None else NULL
            u.v = address(self.v) + offset if self.v is not None else NULL
            u.ld = self.c.layers[which % L].ld if which < L else 0
            u.scale = 1
            penalty = self.penalties[which]
            u.apart = penalty is not None and not (<Penalty>penalty).fused
            u.l1 = (<Penalty>penalty).l1 if penalty is not None and not u.apart else 0
            u.l2 = (<Penalty>penalty).l2 if penalty is not None and not u.apart else 0
            if not whole:
                accumulate(&self.sums[which], self.c.net, self.gradient_at + offset, u.ld)

    cdef void share(self, int threads) noexcept nogil:
        """Before a run: the shares of a team's members."""
        cdef int i
        for i in range(threads + 1):
            self.parts.first[i] = i * self.parts.count // threads
            self.apart.first[i] = i * self.apart.count // threads

    cdef void prepare(self, double rate, Py_ssize_t t) noexcept nogil:
        """The numbers of a batch's step."""
        cdef Py_ssize_t which, L = self.c.n_layers
        cdef fr_update *first = &self.updates[0]
        cdef fr_update *u
        self.optimizer.prepare(self.c.net, first, rate, t)
        for which in range(2 * L):
            u = &self.updates[which]
            u.step, u.rate, u.momentum, u.beta1, u.beta2, u.epsilon = (
                first.step, first.rate, first.momentum, first.beta1, first.beta2, first.epsilon)
            u.correct1, u.correct2 = first.correct1, first.correct2
            u.decay = rate * self.decay if which < L else 0

    cdef void finish(self, bint whole, Team team, Member *me, int thread) noexcept nogil:
        """What is left of a batch's step, as each member of a team goes through it."""
        if not whole and self.clip > 0:
            team.phase(me, measure_task, <void *>self, self.parts.first, thread)
        if not whole:
            team.phase(me, step_task, <void *>self, self.parts.first, thread)
        if self.apart.count > 0:
            team.phase(me, prox_task, <void *>self, self.apart.first, thread)

    cdef void measure(self, Py_ssize_t part) noexcept nogil:
        cdef const Part *p = &self.parts.part[part]
        self.squares[part] = self.c.net.square_sum(p.columns, self.gradient_at + self.offset(p.which)
                                                   + p.at * self.c.item)

    cdef void step(self, Py_ssize_t part) noexcept nogil:
        """From the gradient that was added up, clipped; 0 is left of that, for the next batch."""
        cdef const Part *p = &self.parts.part[part]
        cdef char *gradient = self.gradient_at + self.offset(p.which) + p.at * self.c.item
        cdef fr_update u = self.updates[p.which]
        cdef double norm = 0
        cdef Py_ssize_t i
        if self.clip > 0:
            for i in range(self.parts.count):
                norm += self.squares[i]
            norm = sqrt(norm)
            u.scale = self.clip / norm if norm > self.clip else 1
        u.step(&u, p.at, 1, p.columns, gradient, 0)
        memset(gradient, 0, p.columns * self.c.item)

    cdef void prox(self, Py_ssize_t part, int thread) noexcept nogil:
        cdef const Chain *c = self.c
        cdef const Part *p = &self.apart.part[part]
        cdef void *penalty = self.borrowed[p.which]
        cdef fr_update u = self.updates[p.which]
        cdef bint adam = self.optimizer.moments == 2, settles = self.optimizer.settles()
        cdef bint nesterov = settles and (<SGD>self.optimizer).nesterov
        cdef char *z = self.room_at + 3 * thread * self.room_bytes
        cdef char *w = z + self.room_bytes
        cdef char *h = w + self.room_bytes
        # one by one, weights that lie one after the other are a single row
        cdef Py_ssize_t r, rows = 1 if p.columns == p.ld else p.rows, columns = p.rows * p.columns // rows
        move(&u, p.at * c.item)
        if adam:
            for r in range(rows):       # each writes whole vectors, the next one over what is too much
                move(&u, r * p.ld * c.item)
                c.net.metric(&u, columns, h + r * columns * c.item)
                move(&u, -r * p.ld * c.item)
        c.net.gather(rows, columns, u.w, p.ld, c.item, NULL, w, columns)
        if settles:
            memcpy(z, w, rows * columns * c.item)
        (<Penalty>penalty).prox_layer(c.f32, p.rows, p.columns, w, h if adam else NULL, u.rate)
        c.net.gather(rows, columns, w, columns, c.item, NULL, u.w, p.ld)
        if not settles:
            return
        for r in range(rows):
            move(&u, r * p.ld * c.item)
            c.net.settle(&u, columns, z + r * columns * c.item, nesterov)
            move(&u, -r * p.ld * c.item)
        if nesterov and (<Penalty>penalty).constrains:
            # the point ahead, where the network is, must be allowed too
            c.net.gather(rows, columns, u.w, p.ld, c.item, NULL, w, columns)
            memcpy(z, w, rows * columns * c.item)
            (<Penalty>penalty).prox_layer(c.f32, p.rows, p.columns, w, NULL, u.rate)
            c.net.gather(rows, columns, w, columns, c.item, NULL, u.w, p.ld)
            for r in range(rows):
                if c.f32:
                    look_less[float](columns, <float *>w + r * columns, <float *>z + r * columns, u.momentum,
                                     <float *>u.m + r * p.ld)
                else:
                    look_less[double](columns, <double *>w + r * columns, <double *>z + r * columns, u.momentum,
                                      <double *>u.m + r * p.ld)


cdef void move(fr_update *u, Py_ssize_t nbytes) noexcept nogil:
    """To other weights of the layer."""
    u.w = <char *>u.w + nbytes
    u.m = <char *>u.m + nbytes if u.m != NULL else NULL
    u.v = <char *>u.v + nbytes if u.v != NULL else NULL


cdef void look_less(Py_ssize_t n, const real *w, const real *z, double momentum, real *velocity) noexcept nogil:
    """Velocities that lead to w where they led to z."""
    cdef Py_ssize_t i
    for i in range(n):
        velocity[i] += <real>((w[i] - z[i]) / momentum)


cdef object add(Parts *parts, Py_ssize_t which, Py_ssize_t at, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t ld):
    parts.part = <Part *>realloc(parts.part, (parts.count + 1) * sizeof(Part))
    cdef Part *part = &parts.part[parts.count]
    part.which, part.at, part.rows, part.columns, part.ld = which, at, rows, columns, ld
    parts.count += 1


cdef object cut(Parts *parts, Py_ssize_t which, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t ld, Py_ssize_t most):
    """Parts of whole columns, up to so many."""
    for start in range(0, columns, most):
        add(parts, which, start, rows, min(most, columns - start), ld)


cdef object cut_rows(Parts *parts, Py_ssize_t which, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t ld):
    """Parts of whole rows."""
    cdef Py_ssize_t most = max(1, SIZE // columns)
    for start in range(0, rows, most):
        add(parts, which, start * ld, min(most, rows - start), columns, ld)


cdef void measure_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    (<Steps>context).measure(task)


cdef void step_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    (<Steps>context).step(task)


cdef void prox_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    (<Steps>context).prox(task, thread)
