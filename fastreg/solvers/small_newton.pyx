"""Prox-Newton for few columns: the steps of prox_newton.py in one loop without the GIL.

On some hundred rows a step's arithmetic takes 30 us, and calling NumPy for it 150. So the columns of X̃ are copied once
and a step is predictions, the weighted Gram matrix, coordinate descent with Newton steps on it (gram.pyx) and the line
search, on one thread: the folds of a cross-validation run side by side, each down its path of alphas.

All columns are in the model, so nothing has to be found in between and steps end on what the last one promised. The
certificate is the caller's: this loop knows no conjugates.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport fabs, isfinite, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport FR_DOUBLE, fr_loss, fr_source, kernels
from fastreg._threads cimport num_threads, parallel_for, raise_if_interrupted
from fastreg.losses cimport Loss
from fastreg.penalties.features cimport charge
from fastreg.solvers.gram cimport GramProblem, solve
from fastreg.solvers.newton cimport Problem, interrupts

from fastreg.solvers import line_search, newton_model

cnp.import_array()

cdef enum:
    PANEL = 256                     # rows of a Gram panel
    SWEEPS = 1000                   # of coordinate descent on a model

cdef double FLAT = newton_model.FLAT
cdef double ARMIJO = line_search.ARMIJO
cdef double ROUNDING = line_search.ROUNDING
cdef int HALVINGS = line_search.HALVINGS


cdef struct Small:
    Py_ssize_t n, p, mp             # mp: p in whole strips of the Gram kernel
    bint intercept
    fr_loss loss
    const double *params
    double lipschitz                # of the loss, or so much that it makes no difference
    const double *y
    const double *s
    const double *offset
    const double *Z                 # X̃', (p, n)
    # Where it is: X̃w, intercept, loss, its weighted derivatives
    double *linear
    double *g
    double *h
    double b, value
    # Work space: of n numbers, of p, of a panel
    double *u
    double *curved
    double *root
    double *fit
    double *trial
    double *g_trial
    double *h_trial
    double *old
    double *mean
    double *q
    double *norms
    double *G
    double *acc
    double *pack
    const double *zeros             # max(n, p) of each
    const double *ones
    Problem *P


cdef double gram(Small *S) noexcept nogil:
    """X̃'hX̃ and X̃'h of the model's curvatures, these made to sum to 1; returns what they summed to.

    Curvatures are raised to what no division suffers from: rows far off tell nothing of what is near.
    """
    cdef Py_ssize_t n = S.n, p = S.p, mp = S.mp, i, j, k0 = 0, kc, flat = 0
    cdef Py_ssize_t mr = kernels.mr, nr = kernels.nr
    cdef double H = 0, t
    cdef fr_source src
    for i in range(n):
        t = max(S.h[i], min(FLAT * fabs(S.g[i]), S.lipschitz * S.s[i]))
        S.curved[i] = t
        H += t
        flat += not t > 0
    if flat:                        # rows of weight 0, or beyond the reach of floating point
        t = 1e-8 * H / n if H > 0 else 1.0
        for i in range(n):
            if not S.curved[i] > 0:
                S.curved[i] = t
        H += flat * t
    for i in range(n):
        S.root[i] = sqrt(S.curved[i] / H)
    src.x, src.sk, src.sc, src.rows, src.cols = S.Z, 1, n, NULL, NULL
    src.shift_k, src.mult_k, src.shift_c, src.mult_c = S.zeros, S.root, S.zeros, S.ones
    memset(S.acc, 0, mp * mp * sizeof(double))
    while k0 < n:
        kc = min(n - k0, PANEL)
        kernels.typed[FR_DOUBLE].pack(&src, k0, k0 + kc, p, S.pack)
        j = 0
        while j < p:
            i = 0
            while i < j + nr:
                kernels.tile(j + nr - i, kc, S.pack + i * kc, S.pack + (j - j % mr) * kc + j % mr,
                             S.acc + j * mp + i, mp)
                i += mr
            j += nr
        k0 += kc
    for j in range(p):
        S.mean[j] = kernels.dot(n, S.Z + j * n, S.curved) / H if S.intercept else 0
        for i in range(j + 1):
            S.G[j * p + i] = S.G[i * p + j] = S.acc[j * mp + i] - S.mean[i] * S.mean[j]
        S.norms[j] = S.G[j * p + j] = max(S.G[j * p + j], 0.0)
    return H


cdef double charges(Small *S, const double *w) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t j
    for j in range(S.p):
        total += charge(w[j], &S.P.c, j)
    return total


cdef double step(Small *S, double l1, double l2, double goal) noexcept nogil:
    """One prox-Newton step, its model solved to within ``goal``; returns the decrease that the model promised."""
    cdef Problem *P = S.P
    cdef Py_ssize_t n = S.n, p = S.p, i, j
    cdef double H = gram(S), U = 0, uu = 0, yy = 0, shift, slope, start, before, rounding, t = 1, d, value, gap, primal
    cdef int _
    for i in range(n):
        S.u[i] = -S.g[i]
        U += S.u[i]
        uu += S.g[i] * S.g[i] / S.curved[i]
    d = U
    U = U / H if S.intercept else 0.0
    memcpy(S.old, P.w, p * sizeof(double))
    # the model as least squares on the Gram matrix: q = X̃'hy, yy = y'hy
    for j in range(p):
        t = kernels.dot(n, S.Z + j * n, S.u) / H - S.mean[j] * U
        S.q[j] = kernels.dot(p, S.G + j * p, P.w)
        yy += P.w[j] * (S.q[j] + 2 * t)
        S.q[j] += t
    yy += max(uu / H - U * U, 0.0)
    P.c.l1, P.c.l2 = l1, l2
    before = charges(S, P.w)
    P.yy, P.exact, P.n_factor, P.factor_l2 = max(yy, 1e-300), False, 0, -1
    P.c.l1, P.c.l2 = l1 / H, l2 / H
    solve(P, max(goal / H, 0.5e-15 * P.yy), SWEEPS, 0.0, &gap, &primal)
    P.c.l1, P.c.l2 = l1, l2
    shift = U
    memset(S.fit, 0, n * sizeof(double))
    for j in range(p):
        t = P.w[j] - S.old[j]
        shift -= S.mean[j] * t
        if t != 0:
            kernels.axpy(n, t, S.Z + j * n, S.fit)
    slope = charges(S, P.w) - before - kernels.dot(n, S.u, S.fit) - shift * d
    start = S.value + before
    rounding = ROUNDING * (fabs(S.value) + before)
    # at the largest alpha of a path rounding alone would let in a coefficient
    if not slope <= rounding or fabs(slope) <= 1e-10 * rounding:
        memcpy(P.w, S.old, p * sizeof(double))
        return 0
    memcpy(S.q, P.w, p * sizeof(double))
    t = 1
    for _ in range(HALVINGS):
        for i in range(n):
            S.trial[i] = S.linear[i] + t * S.fit[i] + (S.b + t * shift) + S.offset[i]
        value = S.loss(n, 1, S.trial, S.y, S.s, S.g_trial, S.h_trial, S.params)
        if t < 1:
            for j in range(p):
                P.w[j] = S.old[j] + t * (S.q[j] - S.old[j])
        if value + charges(S, P.w) <= start + ARMIJO * t * slope + rounding:
            break
        t *= 0.5 if isfinite(value) else 0.1
    else:
        memcpy(P.w, S.old, p * sizeof(double))
        return 0
    kernels.axpy(n, t, S.fit, S.linear)
    S.b += t * shift
    S.value = value
    memcpy(S.g, S.g_trial, n * sizeof(double))
    memcpy(S.h, S.h_trial, n * sizeof(double))
    return max(-slope, 0.0)


cdef void settle(Small *S) noexcept nogil:
    """Predictions anew, and the exact intercept."""
    cdef Py_ssize_t i, j
    cdef double slope, size, H
    cdef int turn
    memset(S.linear, 0, S.n * sizeof(double))
    for j in range(S.p):
        if S.P.w[j] != 0:
            kernels.axpy(S.n, S.P.w[j], S.Z + j * S.n, S.linear)
    for turn in range(4):           # near the optimum each doubles the digits
        for i in range(S.n):
            S.trial[i] = S.linear[i] + S.b + S.offset[i]
        S.value = S.loss(S.n, 1, S.trial, S.y, S.s, S.g, S.h, S.params)
        slope = size = H = 0
        for i in range(S.n):
            slope += S.g[i]
            size += fabs(S.g[i])
            H += S.h[i]
        if not S.intercept or turn == 3 or not fabs(slope) > 1e-13 * size or not fabs(slope) < H:
            break
        S.b -= slope / H


cdef struct Descent:
    Small *S
    const double *alphas
    Py_ssize_t n_alphas
    double l1_ratio, goal, decrease
    int limit                       # steps an alpha
    int *steps                      # made at each
    double *coefs                   # (n_alphas, p) or NULL
    double *linears                 # (n_alphas, n)
    double *intercepts


cdef void descend(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Down a path, at each alpha until a step promises no more than ``goal``."""
    cdef Descent *job = <Descent *> context + task
    cdef Small *S = job.S
    cdef Py_ssize_t k
    cdef double alpha
    for k in range(job.n_alphas):
        alpha = job.alphas[k]
        job.steps[k] = 0
        while job.steps[k] < job.limit:
            job.decrease = step(S, alpha * job.l1_ratio, alpha * (1 - job.l1_ratio), 0.1 * job.goal)
            job.steps[k] += 1
            if job.decrease <= job.goal or interrupts(S.P, 1.0 * S.n * S.p * (S.p + 10)):
                break
        if job.coefs != NULL:
            settle(S)
            memcpy(job.coefs + k * S.p, S.P.w, S.p * sizeof(double))
            memcpy(job.linears + k * S.n, S.linear, S.n * sizeof(double))
            job.intercepts[k] = S.b


cdef class SmallNewton:
    """A problem in few columns, for steps without Python.

    Parameters
    ----------
    Z : ndarray of shape (p, n)
        X̃', C order; rows of zeros for columns that can't be fitted.
    loss : Loss
    y, weights, offset : ndarray of shape (n,)
    penalty : FeatureL1L2 in the units of X̃
    fit_intercept : bool
    """

    cdef Small S
    cdef GramProblem problem
    cdef double l1_ratio
    cdef object held                # what S points into
    cdef readonly object coef       # (p,)

    def __init__(self, cnp.ndarray Z, Loss loss, cnp.ndarray y, cnp.ndarray weights, cnp.ndarray offset, penalty,
                 bint fit_intercept):
        cdef Small *S = &self.S
        cdef Py_ssize_t p = Z.shape[0], n = Z.shape[1]
        cdef cnp.ndarray factor = penalty.factor, lower = penalty.lower, upper = penalty.upper
        S.n, S.p, S.mp = n, p, (p + kernels.mr - 1) // kernels.mr * kernels.mr
        S.intercept, S.loss, S.params = fit_intercept, loss.f64, loss.params
        S.lipschitz = min(loss.lipschitz, 1e300)
        S.y, S.s = <const double *> cnp.PyArray_DATA(y), <const double *> cnp.PyArray_DATA(weights)
        S.offset, S.Z = <const double *> cnp.PyArray_DATA(offset), <const double *> cnp.PyArray_DATA(Z)
        cdef cnp.ndarray space = np.empty(7 * n + 4 * p + p * p + S.mp * (S.mp + PANEL) + 8)
        cdef cnp.ndarray zeros = np.zeros(max(n, p)), ones = np.ones(p)
        cdef double *at = <double *> cnp.PyArray_DATA(space)
        S.u, S.curved, S.root, S.fit, S.trial = at, at + n, at + 2 * n, at + 3 * n, at + 4 * n
        S.g_trial, S.h_trial = at + 5 * n, at + 6 * n
        at += 7 * n
        S.old, S.mean, S.q, S.norms, S.G = at, at + p, at + 2 * p, at + 3 * p, at + 4 * p
        at += 4 * p + p * p
        S.acc, S.pack = at, at + S.mp * S.mp
        S.zeros, S.ones = <const double *> cnp.PyArray_DATA(zeros), <const double *> cnp.PyArray_DATA(ones)
        self.problem = GramProblem(p)
        self.coef = self.problem.coef
        self.l1_ratio = penalty.l1_ratio
        cdef Problem *P = &self.problem.P
        P.m, P.ld, P.G, P.q, P.norms = p, p, S.G, S.q, S.norms
        P.c.factor = <const double *> cnp.PyArray_DATA(factor)
        P.c.lower, P.c.upper = <const double *> cnp.PyArray_DATA(lower), <const double *> cnp.PyArray_DATA(upper)
        S.P = P
        self.held = (Z, loss, y, weights, offset, factor, lower, upper, space, zeros, ones)

    def exchange(self, Loss loss):
        """Go on under another loss."""
        self.S.loss, self.S.params, self.S.lipschitz = loss.f64, loss.params, min(loss.lipschitz, 1e300)
        self.held = (self.held[0], loss, *self.held[2:])

    cdef bind(self, state, cnp.ndarray coef):
        """Begin at the predictor ``state`` and ``coef``; the state's arrays follow."""
        cdef Small *S = &self.S
        cdef cnp.ndarray linear = state.linear, g = state.g, h = state.h
        S.linear, S.g = <double *> cnp.PyArray_DATA(linear), <double *> cnp.PyArray_DATA(g)
        S.h, S.b, S.value = <double *> cnp.PyArray_DATA(h), state.b, state.value
        self.coef[:] = coef

    def newton(self, state, cnp.ndarray coef, double alpha, double goal, int limit):
        """Steps from ``coef`` until one promises at most ``goal``: (its promise, how many).

        The predictor ``state`` and ``coef`` are where they end.
        """
        cdef Descent job
        cdef int steps
        self.bind(state, coef)
        job.S, job.alphas, job.n_alphas, job.l1_ratio = &self.S, &alpha, 1, self.l1_ratio
        job.goal, job.limit, job.steps, job.coefs, job.decrease = goal, limit, &steps, NULL, 0
        with nogil:
            descend(&job, 0, 0)
        raise_if_interrupted()
        coef[:] = self.coef
        state.b, state.value = self.S.b, self.S.value
        return job.decrease, steps


def descend_together(problems, states, starts, grids, goals, int limit):
    """Several problems down their grids of alphas, side by side on the threads there are.

    Parameters
    ----------
    problems : list of SmallNewton
    states : list of Predictor
        Where each begins, with the coefficients ``starts``.
    grids : list of ndarray of shape (n_alphas,)
    goals : list of float
        At each alpha the steps end with one that promises no more.
    limit : int
        Steps an alpha, at most.

    Returns
    -------
    list of (coefs (n_alphas, p), X̃w (n_alphas, n), intercepts, steps)
    """
    cdef Py_ssize_t count = len(problems), k
    cdef SmallNewton problem
    cdef Descent *jobs = <Descent *> malloc(count * sizeof(Descent))
    cdef Descent *job
    cdef cnp.ndarray grid, coefs, linears, intercepts, steps
    cdef double work = 0
    if jobs == NULL:
        raise MemoryError
    results, held = [], []
    for k in range(count):
        job, problem, grid = jobs + k, problems[k], np.ascontiguousarray(grids[k])
        problem.bind(states[k], starts[k])
        coefs, linears = np.empty((len(grid), problem.S.p)), np.empty((len(grid), problem.S.n))
        intercepts, steps = np.empty(len(grid)), np.empty(len(grid), dtype=np.intc)
        held.append(grid)
        results.append((coefs, linears, intercepts, steps))
        job.S, job.alphas, job.n_alphas = &problem.S, <const double *> cnp.PyArray_DATA(grid), len(grid)
        job.l1_ratio, job.goal, job.limit, job.decrease = problem.l1_ratio, goals[k], limit, 0
        job.coefs, job.linears = <double *> cnp.PyArray_DATA(coefs), <double *> cnp.PyArray_DATA(linears)
        job.intercepts, job.steps = <double *> cnp.PyArray_DATA(intercepts), <int *> cnp.PyArray_DATA(steps)
        work += 1.0 * problem.S.n * problem.S.p * problem.S.p * len(grid)
    with nogil:
        parallel_for(descend, jobs, count, num_threads(work))
    free(jobs)
    raise_if_interrupted()
    return results
