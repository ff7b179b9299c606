from fastreg.solvers.newton cimport Problem


cdef class GramProblem:
    cdef Problem P
    cdef double l1_ratio
    cdef object held            # what P points into
    cdef object coef


cdef int solve(Problem *P, double tol, int max_iter, double polish, double *gap, double *primal) noexcept nogil
