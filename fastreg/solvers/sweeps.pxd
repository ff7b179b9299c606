cdef struct Group:
    Py_ssize_t size
    const double *gram          # its part of G, (size, size)
    const double *vectors       # eigenvectors as rows
    const double *values
    const double *lower         # bounds, or NULL
    const double *upper
    double largest, l1, t


cdef double norm_of(const Group *group, const double *c) noexcept nogil
cdef double shrink_within(const Group *group, const double *x, double t) noexcept nogil
