from fastreg._threads cimport interrupted, stopped
from fastreg.penalties.features cimport Charges

cdef enum:
    POLL = 100_000_000          # multiply-adds between looks for Ctrl-C: 0.02 s in long vectors, 0.2 s in short ones


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
    double *work                # (m,) each
    double *g_then              # w and g, when g was last right everywhere
    double *w_then
    double *w_first             # w before a run of steps
    Kink *kinks


cdef inline bint interrupts(Problem *P, double work) noexcept nogil:
    """Count multiply-adds, and look for Ctrl-C when they are many; whether it was seen, now or before."""
    P.since_poll += work
    if P.since_poll > POLL:
        P.since_poll = 0
        interrupted()
    return stopped()


cdef void refresh(Problem *P) noexcept nogil
cdef int by_t(const void *a, const void *b) noexcept nogil
cdef double newton_cost(Problem *P) noexcept nogil
cdef void newton(Problem *P) noexcept nogil
