from libc.math cimport INFINITY, fabs

from fastreg.penalties.scalar cimport clip, soft


# What a solver needs of a penalty: coordinate j is charged
#   l1 f_j |w| + l2 f_j / 2 w^2   with   lower_j <= w <= upper_j.
cdef struct Charges:
    double l1, l2
    const double *factor
    const double *lower
    const double *upper


cdef inline double prox(double z, double h, const Charges *c, Py_ssize_t j) noexcept nogil:
    """Minimiser of h/2 w^2 - z w + charge_j(w): on an interval, the clipped minimiser on the line."""
    cdef double f = c.factor[j]
    return clip(soft(z, c.l1 * f) / (h + c.l2 * f), c.lower[j], c.upper[j])


cdef inline double charge(double w, const Charges *c, Py_ssize_t j) noexcept nogil:
    cdef double f = c.factor[j]
    return f * (c.l1 * fabs(w) + 0.5 * c.l2 * w * w)


cdef inline double conjugate(double v, const Charges *c, Py_ssize_t j) noexcept nogil:
    """sup_w v w - charge_j(w): infinite beyond l1 where neither l2 nor a bound holds w."""
    cdef double f = c.factor[j], t = soft(v, c.l1 * f), w
    if t == 0:
        return 0
    if c.l2 * f > 0:
        w = clip(t / (c.l2 * f), c.lower[j], c.upper[j])
    else:
        w = c.upper[j] if t > 0 else c.lower[j]
        if w == INFINITY or w == -INFINITY:
            return INFINITY
    return v * w - charge(w, c, j)


cdef double duality_gap(Py_ssize_t m, const double *v, const double *w, const double *norms, const Charges *c,
                        double rr, double yr, double yy, double *primal) noexcept nogil
