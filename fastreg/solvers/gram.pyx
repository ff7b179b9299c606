"""Coordinate descent on a Gram matrix, finished by Newton steps: one alpha, a path, or many paths side by side.

The problem is ``1/2 w'Gw - q'w + penalty(w)``. Cyclic coordinate descent keeps the gradient ``g = q - Gw`` up to date,
one row of G a change. Where it is slow (correlated columns), Newton steps take over (newton.pyx): they are repeated
until one ends inside, then the worst violators of optimality join. That begins when the sweeps have cost as much as a
step would (rent or buy: at most twice the cost of the better choice).

Every step lowers the objective, so the mix converges as coordinate descent does. Stopping is on the duality gap
(Fercoq, Gramfort, Salmon, 2015), which needs g alone.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport fabs
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy

from fastreg._simd.dispatch cimport kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted, stopped
from fastreg.penalties.features cimport duality_gap, prox
from fastreg.solvers.newton cimport Kink, Problem, by_t, interrupts, newton, newton_cost, refresh

cnp.import_array()

cdef double EXACT = 1e-13       # a gap in units of ||y||^2 that rounding hardly lets tell from 0


cdef Py_ssize_t sweep(Problem *P, double *largest) noexcept nogil:
    """One cycle; returns the number of changes, and their largest effect on the objective."""
    cdef Py_ssize_t j, changes = 0
    cdef double h, w, d, effect = 0
    for j in range(P.m):
        h = P.norms[j]
        if h <= 0:
            continue
        w = P.w[j]
        if w == 0 and fabs(P.g[j]) <= P.c.l1 * P.c.factor[j]:
            continue
        d = prox(w * h + P.g[j], h, &P.c, j) - w
        if d != 0:
            P.w[j] = w + d
            kernels.axpy(P.m, -d, P.G + j * P.ld, P.g)
            effect = max(effect, d * h * d)
            changes += 1
    largest[0] = effect
    return changes


cdef double gap_of(Problem *P, double *primal) noexcept nogil:
    cdef double wq = kernels.dot(P.m, P.w, P.q), wg = kernels.dot(P.m, P.w, P.g)
    return duality_gap(P.m, P.g, P.w, P.norms, &P.c, max(0.0, P.yy - wq - wg), P.yy - wq, P.yy, primal)


cdef Py_ssize_t admit(Problem *P, double *largest) noexcept nogil:
    """A sweep over the coordinates that violate optimality most, a share of them only.

    Where columns are nearly dependent, a whole sweep lets in many that the next Newton steps
    must take out one by one.
    """
    cdef Py_ssize_t j, i, count = 0, na = 0, limit, changes = 0
    cdef double h, d, effect = 0
    for j in range(P.m):
        h = P.norms[j]
        if h <= 0:
            continue
        na += P.w[j] != 0
        d = prox(P.w[j] * h + P.g[j], h, &P.c, j) - P.w[j]
        if d != 0:
            P.kinks[count].t, P.kinks[count].i = -d * h * d, j
            count += 1
    limit = max(4, na // 16)
    qsort(P.kinks, count, sizeof(Kink), by_t)
    for i in range(min(limit, count)):
        j = P.kinks[i].i
        h = P.norms[j]
        d = prox(P.w[j] * h + P.g[j], h, &P.c, j) - P.w[j]
        if d != 0:
            P.w[j] += d
            kernels.axpy(P.m, -d, P.G + j * P.ld, P.g)
            effect = max(effect, d * h * d)
            changes += 1
    largest[0] = effect
    return changes


cdef int solve(Problem *P, double tol, int max_iter, double polish, double *gap, double *primal) noexcept nogil:
    """Minimise until the gap is at most tol; returns the number of sweeps.

    ``polish`` is what further Newton steps after that may cost, in multiply-adds.
    """
    cdef int it = 0
    cdef double spent = 0, cost = 0, effect
    cdef Py_ssize_t changes
    refresh(P)
    while True:
        if not P.exact:
            changes = sweep(P, &effect)
        elif it:
            changes = admit(P, &effect)
        else:
            changes = 1
        it += 1
        gap[0] = gap_of(P, primal)
        if gap[0] <= tol or it >= max_iter or changes == 0:
            break
        spent += (changes + 5.0) * P.m
        if interrupts(P, (changes + 5.0) * P.m):
            break
        cost = newton_cost(P)
        if P.exact or spent >= cost:
            P.exact = True
            newton(P)
    while changes and EXACT * P.yy < gap[0] <= tol and not stopped():
        polish -= newton_cost(P)
        if polish < 0:
            break
        newton(P)
        changes = admit(P, &effect) if P.exact else sweep(P, &effect)
        gap[0] = gap_of(P, primal)
    return it


cdef struct Job:
    Problem *P
    const double *alphas
    Py_ssize_t n_alphas
    double l1_ratio, tol, polish
    int max_iter
    bint shared                 # max_iter by all alphas together
    double *coefs               # (n_alphas, m)
    double *gaps
    double *primals
    int *n_iters


cdef void run_job(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *> context + task
    cdef Problem *P = job.P
    cdef Py_ssize_t k
    cdef double alpha
    cdef int limit, left = job.max_iter
    for k in range(job.n_alphas):
        alpha = job.alphas[k]
        P.c.l1, P.c.l2 = alpha * job.l1_ratio, alpha * (1 - job.l1_ratio)
        # on the way no more than half of what is left, and one for each alpha to come
        limit = left if not job.shared or k == job.n_alphas - 1 else min(left // 2, left - <int> (job.n_alphas - 1 - k))
        job.n_iters[k] = solve(P, job.tol, max(1, limit), job.polish, &job.gaps[k], &job.primals[k])
        if job.shared:
            left -= job.n_iters[k]
        memcpy(job.coefs + k * P.m, P.w, P.m * sizeof(double))
        if interrupts(P, 2.0 * P.m * P.m):      # what every alpha costs at least
            break


cdef class GramProblem:
    """A problem on a Gram matrix that may grow: coefficients and Newton's factor carry over.

    Parameters
    ----------
    capacity : int
        The most columns it will have.
    """

    def __cinit__(self, Py_ssize_t capacity):
        # One arena for all work space.
        cdef Py_ssize_t m = capacity
        cdef Problem *P = &self.P
        P.L = <double *> malloc(m * (m + 7) * sizeof(double) + m * (sizeof(Py_ssize_t) + sizeof(Kink) + 1) + 1)
        if P.L == NULL:
            raise MemoryError
        P.g = P.L + m * m
        P.d = P.g + m
        P.Gd = P.d + m
        P.work = P.Gd + m
        P.g_then = P.work + m
        P.w_then = P.g_then + m
        P.w_first = P.w_then + m
        P.kinks = <Kink *> (P.w_first + m)
        P.order = <Py_ssize_t *> (P.kinks + m)
        P.active = <char *> (P.order + m)
        P.capacity, P.n_factor, P.factor_l2, P.m, P.exact = m, 0, -1, 0, False
        P.since_poll = 0
        self.coef = np.zeros(m)
        P.w = <double *> cnp.PyArray_DATA(<cnp.ndarray> self.coef)

    def __dealloc__(self):
        free(self.P.L)

    def bind(self, cnp.ndarray G, cnp.ndarray q, double yy, penalty, coef=None):
        """Take a problem whose first columns are those of the one before; rows of G are contiguous."""
        cdef cnp.ndarray factor = penalty.factor, lower = penalty.lower, upper = penalty.upper
        cdef cnp.ndarray norms = np.ascontiguousarray(np.diagonal(G))
        cdef Problem *P = &self.P
        P.m, P.ld, P.yy = G.shape[0], G.strides[0] // sizeof(double), yy
        P.G, P.q = <const double *> cnp.PyArray_DATA(G), <const double *> cnp.PyArray_DATA(q)
        P.norms = <const double *> cnp.PyArray_DATA(norms)
        P.c.factor = <const double *> cnp.PyArray_DATA(factor)
        P.c.lower, P.c.upper = <const double *> cnp.PyArray_DATA(lower), <const double *> cnp.PyArray_DATA(upper)
        self.l1_ratio = penalty.l1_ratio
        self.held = (G, q, norms, factor, lower, upper)
        if coef is not None:
            self.coef[: P.m] = np.clip(coef, penalty.lower, penalty.upper)
        return self

    def keep(self, const Py_ssize_t[::1] stay):
        """Go on with these of the columns, in order; Newton's factor loses the rows from the first other one on.

        The next ``bind`` brings their Gram matrix.
        """
        cdef Problem *P = &self.P
        cdef Py_ssize_t i, j
        cdef Py_ssize_t[::1] place = np.full(P.m, -1, dtype=np.intp)
        for i in range(stay.shape[0]):
            place[stay[i]] = i
        for i in range(P.n_factor):
            j = place[P.order[i]]
            if j < 0:
                P.n_factor = i
                break
            P.order[i] = j
        P.m, P.exact = len(stay), False


def compact(double[:, ::1] G, const Py_ssize_t[::1] stay):
    """Move rows and columns ``stay``, in increasing order, to the front of G: no entry is read after it was written."""
    cdef Py_ssize_t i, j, m = stay.shape[0]
    with nogil:
        for i in range(m):
            for j in range(m):
                G[i, j] = G[stay[i], stay[j]]


def run_paths(problems, grids, double tol, int max_iter, double polish=0.0, bint shared=False):
    """Paths of several problems, side by side on the threads there are.

    Parameters
    ----------
    problems : list of GramProblem
    grids : list of ndarray of shape (n_alphas,)
        Each problem's alphas, solved in their order, each from the coefficients before.
    tol : float
        Largest duality gap, relative to half the squared norm of y.
    max_iter : int
        Sweeps an alpha.
    polish : float
        Multiply-adds that last Newton steps may cost, for an answer as exact as rounding allows.
    shared : bool
        Whether a problem's alphas share ``max_iter``, which is then no less than their number.

    Returns
    -------
    list of (coefs (n_alphas, m), gaps, primals, n_iters)
    """
    cdef Py_ssize_t count = len(problems), i
    cdef Job *jobs = <Job *> malloc(count * sizeof(Job))
    cdef Job *job
    cdef GramProblem problem
    cdef cnp.ndarray grid, coefs, gaps, primals, iters
    cdef double work = 0
    if jobs == NULL:
        raise MemoryError
    results = []
    for i in range(count):
        job, problem, grid = jobs + i, problems[i], grids[i]
        job.P, job.l1_ratio, job.n_alphas = &problem.P, problem.l1_ratio, grid.shape[0]
        coefs = np.empty((grid.shape[0], job.P.m))
        gaps, primals, iters = np.empty(len(grid)), np.empty(len(grid)), np.empty(len(grid), dtype=np.intc)
        results.append((coefs, gaps, primals, iters))
        job.alphas = <const double *> cnp.PyArray_DATA(grid)
        job.tol, job.polish, job.max_iter, job.shared = tol * 0.5 * job.P.yy, polish, max_iter, shared
        job.coefs = <double *> cnp.PyArray_DATA(coefs)
        job.gaps, job.primals = <double *> cnp.PyArray_DATA(gaps), <double *> cnp.PyArray_DATA(primals)
        job.n_iters = <int *> cnp.PyArray_DATA(iters)
        work += 10.0 * job.P.m * job.P.m * grid.shape[0]
    with nogil:
        parallel_for(run_job, jobs, count, num_threads(work))
    free(jobs)
    raise_if_interrupted()
    return results
