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


# Which of one thread and all of them does a repeated piece of work sooner; all 0 at first. Seconds of the last times.
cdef struct Pace:
    double one, many, started
    bint alone
    Py_ssize_t wait, left

cdef int pick(Pace *pace, int threads) noexcept nogil
cdef void done(Pace *pace, double amount) noexcept nogil
