# A task gets its context, its number, and the number of the thread that runs it (for private buffers).
ctypedef void (*task_t)(void *context, Py_ssize_t task, int thread) noexcept nogil

cdef int num_threads(double work) noexcept nogil
cdef void parallel_for(task_t run, void *context, Py_ssize_t n_tasks, int n_threads) noexcept nogil

# Where a member of a Team is in the sequence of phases; 0 at first.
cdef struct Member:
    long long phase
    Py_ssize_t due


cdef class Team:
    cdef int n_threads
    cdef long long *claims
    cdef Py_ssize_t *single     # the shares of a phase of one task
    cdef Py_ssize_t done

    cdef void begin(self) noexcept nogil
    cdef void phase(self, Member *member, task_t run, void *context, const Py_ssize_t *first,
                    int thread) noexcept nogil


cdef bint interrupted() noexcept nogil
cdef bint look(double *looked) noexcept nogil
cdef bint stopped() noexcept nogil
cdef int raise_if_interrupted() except -1
cdef double now() noexcept nogil

cdef class Pace:
    cdef double one             # seconds that one thread takes for an amount of 1; 0: not known yet
    cdef double unit, largest   # and for the largest piece
    cdef double credit          # seconds
    cdef double unchecked, check
    cdef double spent           # seconds in all
    cdef bint small             # not yet known to be worth more than one thread
    cdef int state

    cpdef int pick(self, int threads, double left=*) noexcept nogil
    cpdef double patience(self, double amount) noexcept nogil
    cpdef void done(self, double amount, double seconds) noexcept nogil
