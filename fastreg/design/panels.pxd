cimport numpy as cnp

from fastreg._simd.dispatch cimport fr_source, fr_typed


cdef struct Panels:
    # A Gram product: packed panels, one private accumulator a thread.
    const fr_typed *ops
    fr_source left, right
    Py_ssize_t rows, depth              # summed indices, and how many a panel takes
    Py_ssize_t m, width                 # columns on the left and on the right, padded to whole strips
    bint symmetric
    Py_ssize_t first                    # symmetric: rows and columns before it are there already
    const double *extra                 # (n_extra, ld_extra) further columns on the left, m counts them
    Py_ssize_t n_extra, ld_extra
    int threads
    double **pack
    double **acc                        # (width - begin, mp) each
    Py_ssize_t begin, mp
    double *out
    Py_ssize_t ld_out


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef object run_panels(Panels *c, cnp.ndarray out=?)


cdef object run_rough(Panels *c)
