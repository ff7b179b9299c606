# A task gets its context, its number, and the number of the thread that runs it (for private buffers).
ctypedef void (*task_t)(void *context, Py_ssize_t task, int thread) noexcept nogil

cdef int num_threads(double work) noexcept nogil
cdef void parallel_for(task_t run, void *context, Py_ssize_t n_tasks, int n_threads) noexcept nogil
cdef bint interrupted() noexcept nogil
cdef bint look(double *looked) noexcept nogil
cdef bint stopped() noexcept nogil
cdef int raise_if_interrupted() except -1
