"""Trainer: the epoch loop, without the GIL and without allocation.

Each batch is gathered and cast, goes forward and backward through the chain, and every block of weights is updated
while its gradient is still in the cache: step, momentum and the prox of l1 |w| + l2/2 w^2 are one pass
(_simd/update.h). What can't be done there, steps.pyx does at the end of a batch.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport fr_dropout, fr_update
from fastreg._threads cimport (
    Member, Pace, Team, interrupted, now, num_threads, parallel_for, raise_if_interrupted,
)
from fastreg.networks.chain cimport Chain, Layer, Source, Spaces, address, aligned, products, weigh
from fastreg.networks.network cimport Network, batch_elements, describe
from fastreg.networks.optimizers cimport Optimizer
from fastreg.networks.passes cimport Passes, Piece
from fastreg.networks.steps cimport Steps
from fastreg.networks.subnormals cimport flush_subnormals, set_mode

cnp.import_array()

cdef Py_ssize_t MOST_ROWS = 2048        # of a batch in one piece; what is larger goes through in pieces
cdef Py_ssize_t LEAST_ROWS = 16         # of a thread's share of a batch
cdef double LEAST_WORK = 5e5          # multiply-adds of a piece that threads share: some 10 microseconds
cdef enum:
    MOST_PIECES = 512           # of a run
cdef double RUN = 1e8                   # multiply-adds of a run: its threads are sent for once

# An epoch, and a run of its pieces: batches, or parts of them where a batch is more than one piece.
cdef struct Run:
    void *trainer
    void *team
    const Source *x
    const Source *y
    const Source *weight
    const Py_ssize_t *order
    Py_ssize_t n, batch_size, most, K
    const double *rates
    uint64_t seed
    bint whole, dropping
    Py_ssize_t at, rows, n_pieces       # where the run begins, rows of a piece
    Py_ssize_t t                        # steps so far
    double total                        # weight of the batch at hand
    double until                        # when it is cut short: see Pace
    double values[MOST_PIECES]          # loss of each piece
    double totals[MOST_PIECES]          # weight of its batch
    bint last[MOST_PIECES]              # whether the run ends with it before its time


# A member's place in a run.
cdef struct Stand:
    Run *run
    Py_ssize_t at, t


cdef class Trainer:
    """Epochs of an optimizer on a network.

    Parameters
    ----------
    net : Network
    optimizer : SGD or Adam
    penalties : None or list of (None or Penalty)
        One for each layer's weights; what is minimised is the mean loss + the sum of the penalties.
    bias_penalties : None or list of (None or Penalty)
        The same for biases, as layers of one row.
    dropout : None or list of float in [0, 1)
        Shares of each hidden layer's outputs that are dropped; the others are scaled up.
    activity : None or list of (None or (l1, l2))
        For each hidden layer, ``l1 |a| + l2 / 2 a^2`` of its outputs as the next layer sees them is added to the loss.
    clip : None or float > 0
        Bound of the 2-norm of a batch's whole gradient.
    decoupled_decay : float >= 0, default=0.0
        Weights (not biases) are multiplied by ``1 - rate * decoupled_decay`` before each step.
    """

    cdef readonly Network net
    cdef readonly Py_ssize_t t
    cdef readonly Steps steps
    cdef Chain chain
    cdef Layer *layers
    cdef fr_dropout *drops
    cdef object backup
    cdef Spaces spaces
    cdef Passes passes
    cdef Team alone, team
    cdef tuple spaces_for
    cdef Pace pace

    def __cinit__(self, Network net, Optimizer optimizer, penalties=None, bias_penalties=None, dropout=None,
                  activity=None, clip=None, double decoupled_decay=0.0):
        cdef Py_ssize_t i, L = net.chain.n_layers
        cdef Chain *c = &self.chain
        cdef Layer *layer
        self.net, self.t = net, 0
        charges = self._each(penalties, L, "penalties") + self._each(bias_penalties, L, "bias_penalties")
        self.steps = Steps(net, optimizer, charges, 0 if clip is None else clip, decoupled_decay)
        c[0] = net.chain
        c.layers = self.layers = <Layer *>calloc(L, sizeof(Layer))
        memcpy(self.layers, net.chain.layers, L * sizeof(Layer))
        self.drops = <fr_dropout *>calloc(L, sizeof(fr_dropout))
        dropout, activity = self._each(dropout, L - 1, "dropout"), self._each(activity, L - 1, "activity")
        for i in range(L - 1):
            layer = &c.layers[i]
            self.drops[i].rate = dropout[i] or 0.0
            if not 0 <= self.drops[i].rate < 1:
                raise ValueError(f"dropout must be in [0, 1); got {dropout[i]}.")
            layer.slopes = layer.slopes or self.drops[i].rate > 0
            if activity[i] is not None:
                layer.charged, (layer.l1, layer.l2) = True, activity[i]
        self.backup = aligned(c.size * c.item)

    def __dealloc__(self):
        free(self.layers)
        free(self.drops)

    def _each(self, given, Py_ssize_t count, str name):
        given = [None] * count if given is None else list(given)
        if len(given) != count:
            raise ValueError(f"{name} must have {count} entries, one for each layer; got {len(given)}.")
        return given

    def get_state(self):
        """Moments and number of steps, to continue from later: a dict of arrays."""
        return {"t": np.array([self.t]), **self.steps.get_state()}

    def set_state(self, state):
        """Continue from a state of ``get_state``."""
        self.t = int(state["t"][0])
        self.steps.set_state(state)

    def gradient(self, X, Y, sample_weight=None):
        """As ``Network.gradient``, in memory that the next epoch needs; room for batches is given back."""
        self.spaces = self.passes = self.spaces_for = None
        return self.net.gradient(X, Y, sample_weight, self.backup)

    def epoch(self, X, Y, sample_weight, order, Py_ssize_t batch_size, lr, uint64_t dropout_seed=0):
        """One pass over the rows of ``order``, a batch of ``batch_size`` after the other (the last may be smaller).

        Parameters
        ----------
        X : ndarray or CSR of shape (n_samples, n_inputs)
        Y : ndarray of shape (n_samples, n_outputs) or (n_samples,)
            For the softmax loss class numbers.
        sample_weight : None or ndarray of shape (n_samples,)
            A batch's gradient is ``sum_i s_i g_i / sum_i s_i``; a batch without weight is skipped.
        order : ndarray of intp
            Row numbers.
        batch_size : int
        lr : float or ndarray
            The rate, or one for each batch.
        dropout_seed : int

        Returns
        -------
        float
            Mean of the batches' weighted losses, each counted by its rows, as in scikit-learn; without penalties.

        Raises
        ------
        FloatingPointError
            The loss or a weight is not finite. The weights are those from before the epoch, the optimizer starts anew.
        KeyboardInterrupt
            On Ctrl-C; likewise.
        """
        cdef Chain *c = &self.chain
        cdef Source x, y, weight
        cdef Py_ssize_t K = self.net.columns(Y), rows, n, n_batches
        cdef int threads, whole_epoch
        cdef Run run
        cdef double loss = 0
        X, Y = describe(&x, X, c.layers[0].n_in, "X"), describe(&y, Y, K, "Y")
        memset(&weight, 0, sizeof(Source))
        if sample_weight is not None:
            sample_weight = describe(&weight, sample_weight, 1, "sample_weight")
        cdef cnp.ndarray numbers = np.ascontiguousarray(order, dtype=np.intp)
        n = numbers.shape[0]
        batch_size = max(1, min(batch_size, n))
        n_batches = (n + batch_size - 1) // batch_size
        cdef const double[::1] rates = np.ascontiguousarray(np.broadcast_to(np.asarray(lr, np.float64), (n_batches,)))
        memset(&run, 0, sizeof(Run))
        run.whole = batch_size <= MOST_ROWS and self.steps.clip == 0
        rows = batch_size if run.whole else min(batch_size, 512)
        threads = 1
        if rows >= 2 * LEAST_ROWS and 3 * products(c) * rows >= LEAST_WORK:
            threads = num_threads(products(c) * n)
        key = (rows, K, batch_elements(X, numbers, batch_size, rows), threads)
        if self.spaces_for != key:
            self.spaces, self.passes, self.spaces_for = Spaces(1), Passes(), key
            self.pace = Pace()
            self.spaces.lay_out(c, rows, K, key[2], True, threads, NULL)
            self.passes.make_room(c, self.spaces.space, self.net.loss, threads)
            self.steps.make_room(threads)
            self.alone, self.team = Team(1), Team(threads)
        memcpy(address(self.backup), c.arena, c.size * c.item)
        self.steps.point(run.whole)
        run.trainer, run.x, run.y, run.weight = <void *>self, &x, &y, &weight
        run.order, run.n, run.batch_size, run.most, run.K = (
            <const Py_ssize_t *>cnp.PyArray_DATA(numbers), n, batch_size, rows, K)
        run.rates, run.seed, run.t = &rates[0] if n_batches else NULL, dropout_seed, self.t
        if n_batches:
            with nogil:
                whole_epoch = self._run(&run, threads, &loss) and c.net.finite(c.size, c.arena)
            if not whole_epoch:
                memcpy(c.arena, address(self.backup), c.size * c.item)
                self.steps.reset()
                self.t = 0
                raise_if_interrupted()
                raise FloatingPointError(
                    f"Training diverged: the loss is not finite at a learning rate of {rates[0]:.3g}. "
                    "The weights are those of the last whole epoch; try a lower rate, or scale the data."
                )
        return loss

    cdef int _run(self, Run *run, int threads, double *mean) noexcept nogil:
        """All batches; 0: interrupted, or the loss is not finite."""
        cdef const Chain *c = &self.chain
        cdef fr_update *updates = self.steps.updates if run.whole else self.steps.sums
        cdef Py_ssize_t i, left, most, at, batch, n_rows = 0
        cdef double sum_loss = 0, started
        cdef int members
        for i in range(c.n_layers - 1):
            run.dropping = run.dropping or self.drops[i].rate > 0
        most = <Py_ssize_t>max(1.0, min(<double>MOST_PIECES, RUN / (3 * products(c) * run.most)))
        while run.at < run.n:
            # as many pieces of one size as follow each other
            left = min(run.n - run.at, run.batch_size - run.at % run.batch_size)
            run.rows, run.n_pieces = min(run.most, left), 1
            if run.rows == run.batch_size:
                run.n_pieces = (run.n - run.at) // run.batch_size
            elif run.rows == run.most:
                run.n_pieces = left // run.most
            run.n_pieces = evenly(run.n_pieces, most)
            members = 1
            if run.rows == run.most:
                members = self.pace.pick(threads, <double>(run.n - run.at) / run.rows)
            started = now()
            run.until = started + self.pace.patience(run.n_pieces) if members > 1 else INFINITY
            memset(run.last, 0, run.n_pieces * sizeof(bint))
            self.passes.plan(run.rows, True, self.drops if run.dropping else NULL, updates, updates + c.n_layers,
                             members)
            self.steps.share(members)
            if members > 1:
                self.team.begin()
                run.team = <void *>self.team
            else:
                self.alone.begin()
                run.team = <void *>self.alone
            parallel_for(member_task, run, members, members)
            for i in range(run.n_pieces):
                if run.last[i]:
                    run.n_pieces = i + 1
                    break
            if run.rows == run.most:
                self.pace.done(run.n_pieces, now() - started)
            if interrupted():
                return 0
            for i in range(run.n_pieces):
                if run.totals[i] > 0:
                    if not isfinite(run.values[i]):
                        return 0
                    at = run.at + i * run.rows
                    batch = min(run.batch_size, run.n - at + at % run.batch_size)
                    sum_loss += run.values[i] * batch
                    if at % run.batch_size == 0:
                        n_rows += batch
                        self.t += 1
            run.t, run.total = self.t, run.totals[run.n_pieces - 1]
            run.at += run.n_pieces * run.rows
        mean[0] = sum_loss / n_rows if n_rows > 0 else 0
        return 1

    cdef void _member(self, Run *run, Team team, int thread) noexcept nogil:
        """What each member of a team does in a run; all keep the same account."""
        cdef Stand stand
        cdef Piece piece
        cdef Member me
        cdef Py_ssize_t i, end
        cdef double total = run.total
        memset(&me, 0, sizeof(Member))
        memset(&piece, 0, sizeof(Piece))
        piece.x, piece.y, piece.weight, piece.m, piece.K = run.x, run.y, run.weight, run.rows, run.K
        piece.once, piece.context = prepare_task, &stand
        stand.run, stand.at, stand.t = run, run.at, run.t
        for i in range(run.n_pieces):
            end = min(run.n, (stand.at // run.batch_size + 1) * run.batch_size)
            if stand.at % run.batch_size == 0:
                total = end - stand.at
                if run.weight.data != NULL:
                    total = weigh(run.weight, run.order + stand.at, end - stand.at)
                stand.t += total > 0
            run.totals[i] = total           # the same from everyone
            if total > 0:
                piece.order, piece.total, piece.value = run.order + stand.at, total, &run.values[i]
                if run.dropping:
                    team.phase(&me, draw_task, &stand, team.single, thread)
                self.passes.run(&piece, team, &me, thread)
                if stand.at + run.rows == end:
                    self.steps.finish(run.whole, team, &me, thread)
            stand.at += run.rows
            if run.last[i]:
                break

    cdef void _prepare(self, const Stand *stand) noexcept nogil:
        cdef Run *run = stand.run
        self.steps.prepare(run.rates[stand.at // run.batch_size], stand.t)
        # told to all members by the end of the phase, and for each piece once
        run.last[(stand.at - run.at) // run.rows] = now() > run.until

    cdef void _draw(self, uint64_t seed, Py_ssize_t piece) noexcept nogil:
        """Keys of the dropout masks of a piece of a batch, by SplitMix64 (Steele, Lea and Flood, 2014)."""
        cdef Py_ssize_t i
        cdef uint64_t z
        for i in range(self.chain.n_layers - 1):
            z = (seed * <uint64_t>0xd1342543de82ef95 + <uint64_t>(piece * self.chain.n_layers + i + 1)
                 * <uint64_t>0x9e3779b97f4a7c15)
            z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
            z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
            z ^= z >> 31
            self.drops[i].key0, self.drops[i].key1 = <uint32_t>z, <uint32_t>(z >> 32)


cdef Py_ssize_t evenly(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """How many at a time, where n are taken in as few turns as ``most`` allows."""
    cdef Py_ssize_t turns = (n + most - 1) // most
    return (n + turns - 1) // turns


cdef void member_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Run *run = <Run *>context
    cdef unsigned long long mode = flush_subnormals()
    (<Trainer>run.trainer)._member(run, <Team>run.team, thread)
    set_mode(mode)


cdef void prepare_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Stand *stand = <Stand *>context
    (<Trainer>stand.run.trainer)._prepare(stand)


cdef void draw_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Stand *stand = <Stand *>context
    (<Trainer>stand.run.trainer)._draw(stand.run.seed, stand.at)
