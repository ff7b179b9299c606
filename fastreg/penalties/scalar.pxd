# The mathematics of one coordinate. prox_*(v, h, ...) is the minimiser of (w - v)^2 / (2 h) + charge(w).
from libc.math cimport INFINITY, exp, expm1, fabs, log, sqrt


cdef inline double soft(double z, double t) noexcept nogil:
    """Soft threshold: the prox of t |.|."""
    return z - t if z > t else (z + t if z < -t else 0.0)


cdef inline double clip(double w, double lo, double hi) noexcept nogil:
    return lo if w < lo else (hi if w > hi else w)


cdef inline double prox_mcp(double v, double h, double alpha, double gamma) noexcept nogil:
    """MCP: alpha |w| - w^2 / (2 gamma) up to |w| = gamma alpha, constant from there."""
    cdef double a = fabs(v)
    if h < gamma:
        return soft(v, h * alpha) / (1 - h / gamma) if a <= gamma * alpha else v
    # So long a step leaves a concave problem: its ends, 0 and v, are compared.
    return v if a > alpha * sqrt(gamma * h) else 0.0


cdef inline double charge_mcp(double w, double alpha, double gamma) noexcept nogil:
    cdef double a = fabs(w)
    return a * (alpha - a / (2 * gamma)) if a <= gamma * alpha else 0.5 * gamma * alpha * alpha


cdef inline double charge_scad(double w, double alpha, double gamma) noexcept nogil:
    """SCAD: alpha |w| up to |w| = alpha, then slopes that fall to 0 at gamma alpha, constant from there."""
    cdef double a = fabs(w)
    if a <= alpha:
        return alpha * a
    if a <= gamma * alpha:
        return a * alpha - (a - alpha) * (a - alpha) / (2 * (gamma - 1))
    return 0.5 * alpha * alpha * (gamma + 1)


cdef inline double prox_scad(double v, double h, double alpha, double gamma) noexcept nogil:
    cdef double a = fabs(v), w, far
    if a <= alpha * (1 + h) and h < gamma - 1:
        w = max(a - h * alpha, 0.0)
    elif h < gamma - 1:
        w = (a - h * gamma * alpha / (gamma - 1)) / (1 - h / (gamma - 1)) if a <= gamma * alpha else a
    else:
        # So long a step leaves the middle concave: the minima on either side of it are compared.
        w, far = min(max(a - h * alpha, 0.0), alpha), max(a, gamma * alpha)
        if ((far - a) * (far - a) - (w - a) * (w - a)) / (2 * h) + charge_scad(far, alpha, gamma) < alpha * w:
            w = far
    return w if v > 0 else (-w if w > 0 else 0.0)


cdef inline double wright_omega(double z) noexcept nogil:
    """The u > 0 with u + log u = z, that is W(e^z) of Lambert's W: no overflow for large z.

    Two iterations of Fritsch, Shafer and Crowley (1973), whose error is of fourth order, from a guess that is good to
    some percent: what is left is rounding.
    """
    cdef double u, d, r, s
    cdef int _
    if z < -36:                     # u e^u = e^z, and e^u is 1
        return exp(z)
    if z < -2:
        u = exp(z)
        u = u / (1 + u)
    elif z < 4:                     # Taylor's series at u = z = 1
        d = z - 1
        u = 1 + d * (0.5 + d * (1.0 / 16 - d / 192))
    else:
        u = z - log(z)
    for _ in range(2):
        r = z - u - log(u)
        s = (1 + u) * (1 + u + 2.0 / 3 * r)
        u *= 1 + r / (1 + u) * (s - 0.5 * r) / (s - r)
    return u


cdef inline double prox_exp_abs(double v, double h, double alpha) noexcept nogil:
    """alpha (exp |w| - 1): with t = h alpha, |w| = |v| - W(t exp |v|), and 0 where |v| <= t."""
    cdef double a = fabs(v), t = h * alpha, w
    if a <= t or t == 0:
        return 0.0 if a <= t and t > 0 else v
    w = a - wright_omega(a + log(t))
    return 0.0 if w <= 0 else (w if v > 0 else -w)


cdef inline double charge_exp_abs(double w, double alpha) noexcept nogil:
    return alpha * expm1(fabs(w)) if alpha > 0 else 0.0
