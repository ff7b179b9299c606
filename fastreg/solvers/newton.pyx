"""Newton steps on a Gram matrix, with an exact line search through the kinks of the penalty.

On the coordinates that are neither 0 nor at a bound the problem is a quadratic, solved by Cholesky; the line search
sees the kinks at 0. In a run of steps g is kept up to date on those coordinates only, where the step's own equations
give it; the others' follows at the end of the run. The factor is kept: a coordinate that joins costs a row, one that
leaves some rotations, so that along a path a step is quadratic in the support. A column that depends on those before
it has no pivot; along the combination that leaves the fit as it is the objective is piecewise linear, and a move to
its lowest kink takes a coordinate out.
"""

from libc.math cimport INFINITY, fabs, sqrt
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from fastreg._simd.dispatch cimport FR_DOUBLE, kernels
from fastreg.penalties.features cimport charge

cdef enum:
    TOGETHER = 8                # rows of the factor that are made at once

cdef double DEPENDENT = 1e-12   # share of a column's norm that others leave unexplained, below which it depends on them


cdef void refresh(Problem *P) noexcept nogil:
    """g from w: the updates' rounding doesn't pile up along a path."""
    cdef Py_ssize_t j
    memcpy(P.g, P.q, P.m * sizeof(double))
    for j in range(P.m):
        if P.w[j] != 0:
            kernels.axpy(P.m, -P.w[j], P.G + j * P.ld, P.g)


cdef int by_t(const void *a, const void *b) noexcept nogil:
    cdef double s = (<const Kink *> a).t, t = (<const Kink *> b).t
    return (s > t) - (s < t)


cdef bint is_free(Problem *P, Py_ssize_t j) noexcept nogil:
    return P.w[j] != 0 and P.c.lower[j] < P.w[j] < P.c.upper[j] and P.norms[j] > 0


cdef void drop(Problem *P, Py_ssize_t k) noexcept nogil:
    """Take row k out of the factor: rotations bring the rows below back to triangular form.

    They run along a row one by one; rows in fours hide that.
    """
    cdef Py_ssize_t i, j, i0, end, ld = P.capacity
    cdef double b0, b1, b2, b3, h
    cdef double x[4]
    cdef double *row
    cdef const double *cosines = P.d
    cdef const double *sines = P.Gd
    for i0 in range(k + 1, P.n_factor, 4):
        row = P.L + i0 * ld
        end = min(i0 + 4, P.n_factor)
        for i in range(i0, end):
            memcpy(P.L + (i - 1) * ld, P.L + i * ld, k * sizeof(double))
            x[i - i0] = P.L[i * ld + k]
            P.order[i - 1] = P.order[i]
        if end == i0 + 4:
            for j in range(k, i0 - 1):
                b0, b1, b2, b3 = row[j + 1], row[ld + j + 1], row[2 * ld + j + 1], row[3 * ld + j + 1]
                row[j - ld] = cosines[j] * x[0] + sines[j] * b0
                row[j] = cosines[j] * x[1] + sines[j] * b1
                row[j + ld] = cosines[j] * x[2] + sines[j] * b2
                row[j + 2 * ld] = cosines[j] * x[3] + sines[j] * b3
                x[0], x[1] = cosines[j] * b0 - sines[j] * x[0], cosines[j] * b1 - sines[j] * x[1]
                x[2], x[3] = cosines[j] * b2 - sines[j] * x[2], cosines[j] * b3 - sines[j] * x[3]
        for i in range(i0, end):
            row = P.L + i * ld
            for j in range(i0 - 1 if end == i0 + 4 else k, i - 1):
                b0 = row[j + 1]
                row[j - ld] = cosines[j] * x[i - i0] + sines[j] * b0
                x[i - i0] = cosines[j] * b0 - sines[j] * x[i - i0]
            # the rotation that clears this row's entry beyond the new diagonal
            h = sqrt(x[i - i0] * x[i - i0] + row[i] * row[i])
            P.d[i - 1], P.Gd[i - 1] = x[i - i0] / h, row[i] / h
            row[i - 1 - ld] = h
    P.n_factor -= 1


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
    # A rotation is about as slow as four vectorised multiply-adds.
    tail = P.n_factor - first
    rotations = 2.0 * gone * tail * tail
    if rotations < (1.0 * P.n_factor * P.n_factor * P.n_factor - 1.0 * first * first * first) / 6:
        for i in range(P.n_factor - 1, first - 1, -1):
            if not P.active[P.order[i]]:
                tail = P.n_factor - i
                drop(P, i)
                if interrupts(P, 2 * tail * tail):
                    P.n_factor = first
                    break
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


cdef bint factorise(Problem *P, Py_ssize_t na, Py_ssize_t together) noexcept nogil:
    """The rows that the Cholesky factor of G + l2 lacks, up to the first dependent column; True if there is none.

    Earlier rows stay valid; the row of a dependent column is left without a pivot. Some rows are made ``together``:
    in a row each entry waits for the one before.
    """
    cdef Py_ssize_t first, end, i, j, t, a, ld = P.capacity
    cdef double s, h
    cdef double sums[TOGETHER]
    cdef double *row
    P.factor_l2 = P.c.l2
    while P.n_factor < na:
        first = P.n_factor
        end = min(na, first + together)
        if interrupts(P, 0.5 * (end - first) * end * end):      # anything to solve with: nobody will see it
            for i in range(first, end):
                memset(P.L + i * ld, 0, i * sizeof(double))
                P.L[i * ld + i] = 1
            P.n_factor = end
            continue
        for i in range(first, end):
            a = P.order[i]
            for j in range(i):
                P.L[i * ld + j] = P.G[a * P.ld + P.order[j]]
        row = P.L + first * ld
        for j in range(first):
            memset(sums, 0, sizeof(sums))
            kernels.typed[FR_DOUBLE].col_dots(j, P.L + j * ld, 0, end - first, row, ld, sums)
            for t in range(end - first):
                row[t * ld + j] = (row[t * ld + j] - sums[t]) / P.L[j * ld + j]
        for i in range(first, end):
            row = P.L + i * ld
            for j in range(first, i):
                row[j] = (row[j] - kernels.dot(j, row, P.L + j * ld)) / P.L[j * ld + j]
            a = P.order[i]
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
    cdef Py_ssize_t together = TOGETHER
    while not factorise(P, na, together):
        together = 1                            # rows after a dependent column would be made again and again
        k = P.n_factor
        if interrupts(P, 1.0 * k * k):
            return 0
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


cdef bint step(Problem *P) noexcept nogil:
    """One step with an exact line search; True if it ended at a kink or bound: there is a further one to take.

    g follows on the free coordinates only. There Newton's own equations say what becomes of it.
    """
    cdef Py_ssize_t na, i, j, n_kinks = 0, stop = -1
    cdef double t, slope, curvature, size = 0, longest = INFINITY, hit
    cdef double *d = P.d
    cdef double *Gd = P.Gd
    arrange(P, &na)
    na = direction(P, na, &slope)
    if na == 0 or not slope > 0:
        return False
    if na <= P.n_factor:                        # Newton's: (G + l2) d is what Gd holds, the descent
        curvature = slope
        for i in range(na):
            Gd[i] -= P.c.l2 * P.c.factor[P.order[i]] * d[i]
    else:
        curvature = 0
        memset(P.work, 0, P.m * sizeof(double))
        for i in range(na):
            kernels.axpy(P.m, d[i], P.G + P.order[i] * P.ld, P.work)
        for i in range(na):
            Gd[i] = P.work[P.order[i]]
            curvature += d[i] * (Gd[i] + P.c.l2 * P.c.factor[P.order[i]] * d[i])
    for i in range(na):
        size += d[i] * P.norms[P.order[i]] * d[i]
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
    for i in range(na):
        j = P.order[i]
        P.w[j] = min(max(P.w[j] + t * d[i], P.c.lower[j]), P.c.upper[j])
        P.g[j] -= t * Gd[i]
    if stop >= 0:
        P.w[stop] = 0
    if t * t * size > 1e6 * P.yy:
        settle(P, True)                         # so long a step costs g its digits
    return stop >= 0 or t == longest


cdef void settle(Problem *P, bint fresh) noexcept nogil:
    """Bring g in line with all that has happened to w since the last time, and remember both."""
    cdef Py_ssize_t j
    if fresh:
        refresh(P)
    else:
        memcpy(P.g, P.g_then, P.m * sizeof(double))
        for j in range(P.m):
            if P.w[j] != P.w_then[j]:
                kernels.axpy(P.m, P.w_then[j] - P.w[j], P.G + j * P.ld, P.g)
    memcpy(P.g_then, P.g, P.m * sizeof(double))
    memcpy(P.w_then, P.w, P.m * sizeof(double))


cdef void newton(Problem *P) noexcept nogil:
    """Steps until one ends inside."""
    cdef Py_ssize_t steps = 0
    cdef double before = objective(P)
    memcpy(P.w_first, P.w, P.m * sizeof(double))
    memcpy(P.w_then, P.w, P.m * sizeof(double))
    memcpy(P.g_then, P.g, P.m * sizeof(double))
    while step(P) and steps < 10 + P.m:
        steps += 1
        if interrupts(P, 2.0 * P.n_factor * P.n_factor):
            break
    settle(P, False)
    interrupts(P, 1.0 * P.n_factor * P.m)
    if not objective(P) <= before + 1e-12 * P.yy:
        # Rounding has the better of the factor: back, and on by sweeps.
        memcpy(P.w, P.w_first, P.m * sizeof(double))
        refresh(P)
        P.exact, P.n_factor = False, 0
