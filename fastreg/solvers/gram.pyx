"""Coordinate descent on a Gram matrix, finished by Newton steps: one alpha, a path, or many paths side by side.

The problem is ``1/2 w'Gw - q'w + penalty(w)``. Cyclic coordinate descent keeps the gradient ``g = q - Gw`` up to date,
one row of G a change. Where it is slow (correlated columns), Newton steps take over: on the coordinates that are
neither 0 nor at a bound the problem is a quadratic, solved by Cholesky, followed by an exact line search through the
kinks at 0; steps are repeated until one ends inside, then the worst violators of optimality join. That begins when the
sweeps have cost as much as a step would (rent or buy: at most twice the cost of the better choice).

The factor is kept: a coordinate that joins costs a row, one that leaves some rotations, so that along a path a step is
quadratic in the support. A column that depends on those before it has no pivot; along the combination that leaves
the fit as it is the objective is piecewise linear, and a move to its lowest kink takes a coordinate out.

Every step lowers the objective, so the mix converges as coordinate descent does. Stopping is on the duality gap
(Fercoq, Gramfort, Salmon, 2015), which needs g alone.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport kernels
from fastreg._threads cimport interrupted, num_threads, parallel_for, raise_if_interrupted
from fastreg.penalties.features cimport Charges, charge, duality_gap, prox

cnp.import_array()

cdef double DEPENDENT = 1e-12   # share of a column's norm that others leave unexplained, below which it depends on them
cdef double POLL = 5e8          # multiply-adds between looks for Ctrl-C: about 0.1 s


cdef struct Kink:
    double t
    Py_ssize_t i


cdef struct Problem:
    Py_ssize_t m
    const double *G             # (m, m), symmetric, rows ld apart
    Py_ssize_t ld
    const double *q
    const double *norms         # diagonal of G
    double yy
    double since_poll           # multiply-adds since the last look for Ctrl-C
    double *w
    double *g                   # q - G w
    Charges c
    bint exact                  # whether Newton steps have taken over from sweeps
    # Newton: coordinates in the order of the factor's rows, and work space
    Py_ssize_t *order
    Py_ssize_t n_factor         # rows of L that are valid
    double factor_l2
    char *active
    double *L                   # rows `capacity` apart
    Py_ssize_t capacity
    double *d
    double *Gd
    double *backup
    Kink *kinks


cdef void refresh(Problem *P) noexcept nogil:
    """g from w: the updates' rounding doesn't pile up along a path."""
    cdef Py_ssize_t j
    memcpy(P.g, P.q, P.m * sizeof(double))
    for j in range(P.m):
        if P.w[j] != 0:
            kernels.axpy(P.m, -P.w[j], P.G + j * P.ld, P.g)


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


cdef int by_t(const void *a, const void *b) noexcept nogil:
    cdef double s = (<const Kink *> a).t, t = (<const Kink *> b).t
    return (s > t) - (s < t)


cdef bint is_free(Problem *P, Py_ssize_t j) noexcept nogil:
    return P.w[j] != 0 and P.c.lower[j] < P.w[j] < P.c.upper[j] and P.norms[j] > 0


cdef void drop(Problem *P, Py_ssize_t k) noexcept nogil:
    """Take row k out of the factor: rotations bring the rows below back to triangular form."""
    cdef Py_ssize_t i, j, ld = P.capacity, last = P.n_factor - 1
    cdef double a, b, h
    cdef double *row
    cdef double *cosines = P.d
    cdef double *sines = P.Gd
    for i in range(k + 1, P.n_factor):
        row = P.L + i * ld
        for j in range(k, i - 1):
            a, b = row[j], row[j + 1]
            row[j] = cosines[j] * a + sines[j] * b
            row[j + 1] = cosines[j] * b - sines[j] * a
        # the rotation that clears this row's entry beyond the new diagonal
        a, b = row[i - 1], row[i]
        h = sqrt(a * a + b * b)
        cosines[i - 1], sines[i - 1] = a / h, b / h
        row[i - 1] = h
        memcpy(row - ld, row, i * sizeof(double))
        P.order[i - 1] = P.order[i]
    P.n_factor = last


cdef void arrange(Problem *P, Py_ssize_t *count) noexcept nogil:
    """Bring order and factor in line with the free coordinates; new ones are appended, not yet factored."""
    cdef Py_ssize_t i, j, na = 0, first = P.n_factor, gone = 0
    cdef double tail, rotations
    if P.factor_l2 != P.c.l2:
        P.n_factor = first = 0
    for j in range(P.m):
        P.active[j] = is_free(P, j)
    for i in range(P.n_factor):
        if not P.active[P.order[i]]:
            first = min(first, i)
            gone += 1
    # Rotations run one by one, about as slow as ten vectorised multiply-adds each.
    tail = P.n_factor - first
    rotations = 5.0 * gone * tail * tail
    if rotations < (1.0 * P.n_factor * P.n_factor * P.n_factor - 1.0 * first * first * first) / 6:
        for i in range(P.n_factor - 1, first - 1, -1):
            if not P.active[P.order[i]]:
                drop(P, i)
    else:
        P.n_factor = first
    for i in range(P.n_factor):
        P.active[P.order[i]] = 0
    na = P.n_factor
    for j in range(P.m):
        if P.active[j]:
            P.order[na] = j
            na += 1
    count[0] = na


cdef double newton_cost(Problem *P) noexcept nogil:
    """In multiply-adds of a sweep; the factor's run about twice as fast, and call overheads count."""
    cdef Py_ssize_t j, na = 0, kept = 0
    for j in range(P.m):
        na += is_free(P, j)
    if P.factor_l2 == P.c.l2:
        kept = min(na, P.n_factor)
    return (1.0 * na * na * na - 1.0 * kept * kept * kept) / 12 + na * na + 1.0 * na * P.m + 50


cdef bint factorise(Problem *P, Py_ssize_t na) noexcept nogil:
    """The rows that the Cholesky factor of G + l2 lacks, up to the first dependent column; True if there is none.

    Row by row, so that earlier rows stay valid; the row of a dependent column is left without a pivot.
    """
    cdef Py_ssize_t i, j, a, ld = P.capacity
    cdef double s, h
    cdef double *row
    cdef bint stopped = False
    P.factor_l2 = P.c.l2
    for i in range(P.n_factor, na):
        a = P.order[i]
        row = P.L + i * ld
        P.since_poll += 0.5 * i * i
        if P.since_poll > POLL:
            P.since_poll = 0
            stopped = interrupted()
        if stopped:                             # anything that can be solved with: nobody will see it
            memset(row, 0, i * sizeof(double))
            row[i], P.n_factor = 1, i + 1
            continue
        for j in range(i):
            row[j] = (P.G[a * P.ld + P.order[j]] - kernels.dot(j, row, P.L + j * ld)) / P.L[j * ld + j]
        h = P.norms[a] + P.c.l2 * P.c.factor[a]
        s = h - kernels.dot(i, row, row)
        if s <= DEPENDENT * h:
            return False
        row[i] = sqrt(s)
        P.n_factor = i + 1
    return True


cdef inline double descent(Problem *P, Py_ssize_t j) noexcept nogil:
    """Minus the derivative of the objective in a coordinate that is not 0."""
    cdef double f = P.c.factor[j], w = P.w[j]
    return P.g[j] - P.c.l2 * f * w - (P.c.l1 * f if w > 0 else -P.c.l1 * f)


cdef void back_substitute(Problem *P, Py_ssize_t na) noexcept nogil:
    """d = L'^-1 d."""
    cdef Py_ssize_t i
    for i in range(na - 1, -1, -1):
        P.d[i] /= P.L[i * P.capacity + i]
        kernels.axpy(i, -P.d[i], P.L + i * P.capacity, P.d)


cdef Py_ssize_t direction(Problem *P, Py_ssize_t na, double *slope) noexcept nogil:
    """A descent direction d on the first columns in order; returns how many.

    Newton's, or, where a column depends on those before it, the combination that leaves the fit as it is:
    along that one the objective falls linearly until a coefficient reaches 0. Dependent columns along which it doesn't
    fall (duplicates) are set aside.
    """
    cdef Py_ssize_t i, k
    cdef double t, size
    while not factorise(P, na):
        k = P.n_factor
        memcpy(P.d, P.L + k * P.capacity, k * sizeof(double))
        back_substitute(P, k)
        P.d[k] = 1
        slope[0] = size = 0
        for i in range(k + 1):
            if i < k:
                P.d[i] = -P.d[i]
            t = descent(P, P.order[i])
            slope[0] += P.d[i] * t
            size += fabs(P.d[i]) * (fabs(t) + 1e-5 * sqrt(P.yy * P.norms[P.order[i]]))
        if fabs(slope[0]) > 1e-9 * size:        # not rounding
            if slope[0] < 0:
                slope[0] = -slope[0]
                for i in range(k + 1):
                    P.d[i] = -P.d[i]
            return k + 1
        na -= 1
        P.order[k] = P.order[na]
    slope[0] = 0
    for i in range(na):
        P.Gd[i] = descent(P, P.order[i])
        P.d[i] = (P.Gd[i] - kernels.dot(i, P.L + i * P.capacity, P.d)) / P.L[i * P.capacity + i]
    back_substitute(P, na)
    for i in range(na):
        slope[0] += P.Gd[i] * P.d[i]
    return na


cdef double objective(Problem *P) noexcept nogil:
    cdef double value = -0.5 * (kernels.dot(P.m, P.w, P.q) + kernels.dot(P.m, P.w, P.g))
    cdef Py_ssize_t j
    for j in range(P.m):
        if P.w[j] != 0:
            value += charge(P.w[j], &P.c, j)
    return value


cdef bint newton(Problem *P) noexcept nogil:
    """Newton step with an exact line search; True if it ended at a kink or bound: there is a further one to take."""
    cdef Py_ssize_t m = P.m, na, i, j, n_kinks = 0, stop = -1
    cdef double t, slope, before, curvature = 0, size = 0, longest = INFINITY, hit
    cdef double *d = P.d
    cdef double *Gd = P.Gd
    arrange(P, &na)
    na = direction(P, na, &slope)
    if na == 0 or not slope > 0:
        return False
    memset(Gd, 0, m * sizeof(double))
    for i in range(na):
        kernels.axpy(m, d[i], P.G + P.order[i] * P.ld, Gd)
    for i in range(na):
        j = P.order[i]
        t = d[i] * (Gd[j] + P.c.l2 * P.c.factor[j] * d[i])
        curvature += t
        size += d[i] * P.norms[j] * d[i]
    # Along d the slope falls by curvature * t and rises by 2 l1 |d_i| where a coefficient crosses 0.
    t = slope / curvature if curvature > 1e-15 * size else INFINITY
    for i in range(na):
        j = P.order[i]
        if d[i] == 0:
            continue
        hit = -P.w[j] / d[i]
        if 0 < hit < t:
            P.kinks[n_kinks].t, P.kinks[n_kinks].i = hit, i
            n_kinks += 1
        hit = ((P.c.upper[j] if d[i] > 0 else P.c.lower[j]) - P.w[j]) / d[i]
        longest = min(longest, hit)
    qsort(P.kinks, n_kinks, sizeof(Kink), by_t)
    for i in range(n_kinks):
        if P.kinks[i].t >= t:
            break
        j = P.order[P.kinks[i].i]
        slope -= 2 * P.c.l1 * P.c.factor[j] * fabs(d[P.kinks[i].i])
        if slope <= max(0.0, curvature) * P.kinks[i].t:
            t, stop = P.kinks[i].t, j           # the minimum is this kink
            break
        if t < INFINITY:
            t = slope / curvature
    if t >= longest:
        t, stop = longest, -1
    if t == INFINITY:
        return False
    before = objective(P)
    memcpy(P.backup, P.w, m * sizeof(double))
    for i in range(na):
        j = P.order[i]
        P.w[j] = min(max(P.w[j] + t * d[i], P.c.lower[j]), P.c.upper[j])
    if stop >= 0:
        P.w[stop] = 0
    if t * t * size > 1e6 * P.yy:
        refresh(P)                              # so long a step costs g its digits
    else:
        kernels.axpy(m, -t, Gd, P.g)
    if not objective(P) <= before + 1e-12 * P.yy:
        # Rounding has the better of the factor: back, and on by sweeps.
        memcpy(P.w, P.backup, m * sizeof(double))
        refresh(P)
        P.exact, P.n_factor = False, 0
        return False
    return stop >= 0 or t == longest


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

    ``polish`` is what one more Newton step after that may cost, in multiply-adds.
    """
    cdef int it = 0
    cdef double spent = 0, cost = 0, effect
    cdef Py_ssize_t changes, steps
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
        P.since_poll += (changes + 5.0) * P.m
        if P.since_poll > POLL:
            P.since_poll = 0
            if interrupted():
                break
        cost = newton_cost(P)
        if P.exact or spent >= cost:
            P.exact = True
            steps = 0
            while newton(P) and steps < 10 + P.m:
                steps += 1
                P.since_poll += 4.0 * P.m * P.m         # a step with a row taken out
                if P.since_poll > POLL:
                    P.since_poll = 0
                    if interrupted():
                        break
            P.since_poll += cost
    if not P.exact and changes and newton_cost(P) <= polish:
        newton(P)
        sweep(P, &effect)
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
        P.since_poll += 2.0 * P.m * P.m         # what every alpha costs at least
        if P.since_poll > POLL:
            P.since_poll = 0
            if interrupted():
                break


cdef class GramProblem:
    """A problem on a Gram matrix that may grow: coefficients and Newton's factor carry over.

    Parameters
    ----------
    capacity : int
        The most columns it will have.
    """

    cdef Problem P
    cdef double l1_ratio
    cdef object held            # what P points into
    cdef cnp.ndarray coef

    def __cinit__(self, Py_ssize_t capacity):
        # One arena for all work space.
        cdef Py_ssize_t m = capacity
        cdef Problem *P = &self.P
        P.L = <double *> malloc(m * (m + 4) * sizeof(double) + m * (sizeof(Py_ssize_t) + sizeof(Kink) + 1) + 1)
        if P.L == NULL:
            raise MemoryError
        P.g = P.L + m * m
        P.d = P.g + m
        P.Gd = P.d + m
        P.backup = P.Gd + m
        P.kinks = <Kink *> (P.backup + m)
        P.order = <Py_ssize_t *> (P.kinks + m)
        P.active = <char *> (P.order + m)
        P.capacity, P.n_factor, P.factor_l2, P.m, P.exact = m, 0, -1, 0, False
        P.since_poll = 0
        self.coef = np.zeros(m)
        P.w = <double *> cnp.PyArray_DATA(self.coef)

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
        Multiply-adds that a last Newton step may cost, for an answer as exact as rounding allows.
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
