from fastreg.penalties.penalty cimport Separable


cdef double prox_within(Separable penalty, double f, double v, double h, double low, double high) noexcept nogil
