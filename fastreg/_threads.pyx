# cython: language_level=3
"""Threads: the only place that knows OpenMP.

Kernels are tasks behind ``parallel_for``. The number of threads is what ``OMP_NUM_THREADS`` and
threadpoolctl say, never more than the cores this process may use; small work stays on the caller's thread.
After a fork the child runs on one thread, because libgomp's pool does not survive a fork.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange, threadid

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    static int omp_get_max_threads(void) { return 1; }
    static int omp_in_parallel(void) { return 0; }
    #endif
    """
    int omp_get_max_threads() nogil
    int omp_in_parallel() nogil

# Waking a thread costs some microseconds: below this much work (in elements read) it doesn't pay.
cdef double SERIAL_WORK = 1e6
cdef int _cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
cdef int _forked = 0
cdef int _stop = 0
cdef object _error = None


def _after_fork():
    global _forked
    _forked = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


cdef int num_threads(double work) noexcept nogil:
    """Threads for a piece of work of so many element reads."""
    if work < SERIAL_WORK or _forked or omp_in_parallel():
        return 1
    return max(1, min(omp_get_max_threads(), _cores))


cdef void parallel_for(task_t run, void *context, Py_ssize_t n_tasks, int n_threads) noexcept nogil:
    cdef Py_ssize_t task
    if n_threads <= 1 or n_tasks <= 1:
        for task in range(n_tasks):
            run(context, task, 0)
        return
    for task in prange(n_tasks, schedule="dynamic", chunksize=1, num_threads=n_threads):
        run(context, task, threadid())


cdef bint interrupted() noexcept nogil:
    """Look for Ctrl-C from within a long loop; once it was seen, every loop that asks stops early."""
    global _stop, _error
    if not _stop:
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:      # KeyboardInterrupt, or what the user's handler raised
                _error = error
                _stop = 1
    return _stop


cdef int raise_if_interrupted() except -1:
    """After the loops: raise what stopped them."""
    global _stop, _error
    if _stop:
        error, _error = _error, None
        _stop = 0
        raise error
    return 0


def get_num_threads():
    """Number of threads that fastreg's kernels use on large work."""
    return num_threads(1e18)
