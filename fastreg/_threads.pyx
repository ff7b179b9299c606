# cython: language_level=3
"""Threads: the only place that knows OpenMP.

Kernels are tasks behind ``parallel_for``. The number of threads is what ``OMP_NUM_THREADS`` and
threadpoolctl say, never more than the cores this process may use; small work stays on the caller's thread.
After a fork the child runs on one thread, because libgomp's pool does not survive a fork.
"""

import os
from contextlib import nullcontext

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    static int omp_get_max_threads(void) { return 1; }
    static int omp_in_parallel(void) { return 0; }
    #endif
    #if defined(__GNUC__) || defined(__clang__)
    #define fr_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
    #define fr_get(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
    static int fr_swap(long long *p, long long old, long long new_)
    {
        return __atomic_compare_exchange_n(p, &old, new_, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    #if defined(__x86_64__) || defined(__i386__)
    #define fr_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define fr_pause() __asm__ volatile("yield")
    #else
    #define fr_pause() (void)0
    #endif
    #else
    #include <intrin.h>
    #define fr_add(p, v) _InterlockedExchangeAdd64(p, v)
    #define fr_get(p) _InterlockedExchangeAdd64(p, 0)
    #define fr_swap(p, old, new_) (_InterlockedCompareExchange64(p, new_, old) == (old))
    #define fr_pause() _mm_pause()
    #endif
    #ifdef _WIN32
    #include <windows.h>
    #define fr_nap() Sleep(1)
    #define fr_yield() SwitchToThread()
    #define fr_doze() Sleep(1)
    static double fr_now(void)
    {
        LARGE_INTEGER ticks, second;
        QueryPerformanceCounter(&ticks);
        QueryPerformanceFrequency(&second);
        return (double)ticks.QuadPart / second.QuadPart;
    }
    #else
    #include <unistd.h>
    #define fr_nap() usleep(1000)
    #define fr_yield() sched_yield()
    #define fr_doze() usleep(50)
    #include <time.h>
    static double fr_now(void)
    {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec + 1e-9 * t.tv_nsec;
    }
    #endif
    """
    int omp_get_max_threads() nogil
    int omp_in_parallel() nogil
    Py_ssize_t fr_add(Py_ssize_t *p, Py_ssize_t v) nogil
    Py_ssize_t fr_get(Py_ssize_t *p) nogil
    long long fr_load "fr_get"(long long *p) nogil
    bint fr_swap(long long *p, long long old, long long new_) nogil
    void fr_pause() nogil
    void fr_yield() nogil
    void fr_doze() nogil
    void fr_nap() nogil
    double fr_now() nogil

# Waking a thread costs some microseconds: below this much work (in elements read) it doesn't pay.
cdef double SERIAL_WORK = 1e6
cdef int _cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
cdef Py_ssize_t BLAS_ORDER = 1500     # matrices from which LAPACK gains by two threads
cdef Py_ssize_t SPIN = 20000    # looks at the others' progress before the first nap: some 0.1 ms
cdef Py_ssize_t MEET = 4000     # looks at a phase's end before leaving the core to others: some 0.1 ms
cdef enum:
    CLAIMS_APART = 16           # a pair of cache lines
    TASK_BITS = 24
cdef double POLL = 0.05             # seconds between looks for Ctrl-C
cdef enum:
    ALL, ALONE, CHECK           # what Pace does
# Of Pace: what one thread earns in a second; what all threads may save up and owe, in pieces (and seconds); pieces
# until what one thread takes is checked; seconds of work that one thread does by itself.
cdef double EARNED = 1.0 / 64, MOST_CREDIT = 2, LEAST_CREDIT = 0.01, MOST_DEBT = 32, CHECK_AFTER = 64, WORTH = 0.1
cdef int _forked = 0
cdef int _stop = 0
cdef object _error = None
cdef object _controller = None      # of BLAS' threads


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


cdef struct Pool:
    task_t run
    void *context
    Py_ssize_t n_tasks, claimed, done, left


cdef void serve(Pool *pool, int thread) noexcept nogil:
    cdef Py_ssize_t task, waits = 0
    cdef double looked = fr_now(), now
    while True:
        task = fr_add(&pool.claimed, 1)
        if task >= pool.n_tasks:
            break
        if not _stop:
            pool.run(pool.context, task, thread)
        fr_add(&pool.done, 1)
        if thread == 0:
            now = fr_now()
            if now - looked > POLL:
                looked = now
                interrupted()
    # Signals reach the caller's thread only: out of tasks, it goes on looking for them on behalf of the others.
    while thread == 0 and fr_add(&pool.done, 0) < pool.n_tasks:
        waits += 1
        if waits > SPIN:
            fr_nap()
            if waits % 64 == 0:
                interrupted()
    if thread > 0:
        fr_add(&pool.left, 1)


cdef void parallel_for(task_t run, void *context, Py_ssize_t n_tasks, int n_threads) noexcept nogil:
    """Run the tasks, each when a thread comes free; after Ctrl-C the rest are skipped (see raise_if_interrupted)."""
    cdef Pool pool
    cdef int thread
    pool.run, pool.context, pool.n_tasks, pool.claimed, pool.done, pool.left = run, context, n_tasks, 0, 0, 0
    if n_threads <= 1 or n_tasks <= 1:
        serve(&pool, 0)
        return
    for thread in prange(n_threads, schedule="static", chunksize=1, num_threads=n_threads):
        serve(&pool, thread)
        if thread == 0:
            # OpenMP's own barrier would spin for milliseconds, on the core that a thread waits for on a busy machine
            wait(&pool.left, n_threads - 1)


cdef void wait(Py_ssize_t *count, Py_ssize_t due) noexcept nogil:
    """Until the others have counted so far: at first on the alert, then asleep, so that they may have this core."""
    cdef Py_ssize_t waits = 0
    while fr_get(count) < due:
        waits += 1
        if waits < MEET:
            fr_pause()
        elif waits < 2 * MEET:
            fr_yield()
        else:
            fr_doze()


cdef class Team:
    """Threads that go through the same sequence of phases, each cut into tasks; a phase begins where the last one ends.

    Run by parallel_for, a task a member. A member takes the tasks of its own share first, always the same ones, as what
    they need is in its cache; then those of others that haven't begun. A phase ends with its last task, not with the
    last member's coming: one that the system has put to sleep between its tasks holds up nobody.
    """

    def __cinit__(self, int n_threads):
        self.n_threads = n_threads
        self.claims = <long long *>calloc(n_threads * CLAIMS_APART, sizeof(long long))
        self.single = <Py_ssize_t *>calloc(n_threads + 1, sizeof(Py_ssize_t))
        for i in range(1, n_threads + 1):
            self.single[i] = 1

    def __dealloc__(self):
        free(self.claims)
        free(self.single)

    cdef void begin(self) noexcept nogil:
        """Before parallel_for."""
        memset(self.claims, 0, self.n_threads * CLAIMS_APART * sizeof(long long))
        self.done = 0

    cdef void phase(self, Member *member, task_t run, void *context, const Py_ssize_t *first,
                    int thread) noexcept nogil:
        """The next phase: tasks first[i]..first[i + 1] are the share of member i."""
        cdef Py_ssize_t task, ran = 0
        cdef int i
        member.phase += 1
        member.due += first[self.n_threads]
        for i in range(self.n_threads):
            while True:
                task = claim(&self.claims[(thread + i) % self.n_threads * CLAIMS_APART], member.phase,
                             first[(thread + i) % self.n_threads + 1] - first[(thread + i) % self.n_threads])
                if task < 0:
                    break
                run(context, first[(thread + i) % self.n_threads] + task, thread)
                ran += 1
        if ran:
            fr_add(&self.done, ran)
        wait(&self.done, member.due)


cdef Py_ssize_t claim(long long *place, long long phase, Py_ssize_t count) noexcept nogil:
    """The next task of a share in this phase, or -1."""
    cdef long long seen, next
    while True:
        seen = fr_load(place)
        if (seen >> TASK_BITS) > phase:
            return -1
        next = seen & ((1LL << TASK_BITS) - 1) if (seen >> TASK_BITS) == phase else 0
        if next >= count:
            return -1
        if fr_swap(place, seen, (phase << TASK_BITS) + next + 1):
            return next


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


cdef bint look(double *looked) noexcept nogil:
    """As ``interrupted``, for loops too short to say how often: no more than every POLL seconds.

    ``looked`` is when that was, 0 at first. In a parallel loop only the caller's thread is to look.
    """
    cdef double now
    if not _stop:
        now = fr_now()
        if looked[0] == 0:
            looked[0] = now
        elif now - looked[0] > POLL:
            looked[0] = now
            interrupted()
    return _stop


cdef double now() noexcept nogil:
    """Seconds, of a clock that is never put back."""
    return fr_now()


cdef bint stopped() noexcept nogil:
    """Whether Ctrl-C has been seen."""
    return _stop


cdef int raise_if_interrupted() except -1:
    """After the loops: raise what stopped them."""
    global _stop, _error
    if _stop:
        error, _error = _error, None
        _stop = 0
        raise error
    return 0


def serial_blas(double work, Py_ssize_t order):
    """Context where BLAS and LAPACK stay on the caller's thread, for matrices of an order beside so much work of ours.

    Their threads are not ours: either kind spins for a while after its work, and takes the other's core. A Cholesky
    factor of order 500 takes 1.5 ms on one thread, 5 on two, and some 50 right after a pass over X.
    """
    global _controller
    if work < SERIAL_WORK or order > BLAS_ORDER:
        return nullcontext()
    if _controller is None:
        from threadpoolctl import ThreadpoolController      # scikit-learn brings it

        _controller = ThreadpoolController()
    return _controller.limit(limits=1, user_api="blas")


@cython.final
cdef class Pace:
    """Whether one thread or all of them do the next piece of a repeated work, whose result doesn't depend on it.

    On a busy machine a thread that waits for its turn holds up the others, now and then and for long: it is the sum of
    the times that counts, not what most pieces take. So all threads work on credit. A piece that they do sooner than
    one thread would earns the difference, one that takes them longer costs it. Where nothing is left one thread goes on
    alone, and earns a share of its time, until that would pay for a piece that takes twice as long. So whatever the
    machine does, the work takes longer than on one thread by no more than that share, and a few pieces. Work of less
    than a tenth of a second is left to one thread: what others would save is not noticed, and turns that are lost in
    a first try take up to 16 ms.

    What one thread takes is the mean of its last times, or less where a piece that it did alone as a check says so.
    """

    def __cinit__(self):
        self.state, self.check, self.small = CHECK, CHECK_AFTER, True

    cpdef int pick(self, int threads, double left=INFINITY) noexcept nogil:
        """Threads for the next piece, where the work known of is so large; call done() after it."""
        if threads <= 1:
            self.state = ALONE
        elif self.one == 0:
            self.state = CHECK
        elif self.small and self.spent + self.one * left < WORTH:
            self.state = ALONE
        elif self.small:
            self.small, self.state = False, ALL
        elif self.state == ALONE:
            if self.credit >= self.unit:
                self.state = ALL
        elif self.credit < 0:
            self.state = ALONE
        elif self.state == CHECK:
            self.state = ALL
        elif self.unchecked > self.check * self.unit:
            self.state = CHECK
        return threads if self.state == ALL else 1

    cpdef double patience(self, double amount) noexcept nogil:
        """Seconds after which a piece of that size should be cut short."""
        return self.one * amount + self.credit if self.state == ALL else INFINITY

    cpdef void done(self, double amount, double seconds) noexcept nogil:
        """The piece was so large, in any unit, and took so long."""
        cdef double each = seconds / amount
        self.spent += seconds
        if self.state == ALL:
            self.credit = max(-MOST_DEBT * self.unit, min(self.credit + self.one * amount - seconds,
                                                          max(MOST_CREDIT * self.unit, LEAST_CREDIT)))
            self.unchecked += seconds
        elif self.one == 0:
            self.one, self.credit = each, 0.5 * seconds
        elif self.state == CHECK:
            self.one, self.unchecked, self.check = min(self.one, each), 0, 2 * self.check
        else:
            self.one += (each - self.one) / 8
            self.credit += EARNED * seconds
        self.largest = max(self.largest, amount)
        self.unit = self.one * self.largest


def tries_from(double seconds):
    """From how much work on Pace tries all threads. Returns what it was: tests have little work."""
    global WORTH
    before, WORTH = WORTH, seconds
    return before


def get_num_threads():
    """Number of threads that fastreg's kernels use on large work."""
    return num_threads(1e18)
