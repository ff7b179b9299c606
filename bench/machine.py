"""What the machine can do and whether it is quiet: bandwidth, gemm peaks, load, memory of this process."""

import os
import platform
import threading
import time

import numpy as np
import psutil

# Cores that others may use before a timing counts as disturbed.
QUIET = 0.15


def _best(function, runs=5):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(threads, *, quick=False):
    """Read bandwidth (bytes/s) and gemm peaks (flop/s) of this process' threads.

    Reading is one dot product of a vector with itself, a slice a thread: BLAS' level 1 doesn't split it by
    itself.
    """
    x = np.ones(10_000_000 if quick else 40_000_000)
    slices = np.array_split(x, threads)

    def read():
        workers = [threading.Thread(target=np.dot, args=(part, part)) for part in slices]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    size = 1000 if quick else 2000
    a = np.random.default_rng(0).standard_normal((size, size))
    b = a.astype(np.float32)
    return {
        "read_bytes_per_s": x.nbytes / _best(read),
        "dgemm_flops": 2.0 * size**3 / _best(lambda: a @ a),
        "sgemm_flops": 2.0 * size**3 / _best(lambda: b @ b),
    }


def describe():
    """Cores and instruction set: nothing that names the machine."""
    flags = set()
    try:
        with open("/proc/cpuinfo") as lines:
            flags = set(next((line for line in lines if line.startswith(("flags", "Features"))), "").split())
    except OSError:
        pass
    known = ("amx_tile", "avx512f", "avx2", "avx", "sve", "asimd", "sse4_2")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "instructions": [name for name in known if name in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


class Load:
    """CPU seconds that others used since the start of the ``with`` block, as cores on average."""

    def __enter__(self):
        self.wall, self.busy, self.own = time.perf_counter(), _busy(), _own()
        return self

    def __exit__(self, *exception):
        self.seconds = time.perf_counter() - self.wall
        others = (_busy() - self.busy) - (_own() - self.own)
        # The clock of the system ticks in hundredths: nothing can be said of less than a fifth of a second.
        self.others = max(others, 0.0) / self.seconds if self.seconds > 0.2 else 0.0


def _busy():
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


def _own():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def wait_for_quiet(patience):
    """Sleep until others use less than ``QUIET`` cores; False if ``patience`` seconds weren't enough."""
    start = time.perf_counter()
    while True:
        with Load() as load:
            time.sleep(0.4)
        if load.others < QUIET:
            return True
        if time.perf_counter() - start > patience:
            return False
        time.sleep(1.0)


def reset_peak():
    """Forget the peak of resident memory so far; returns the resident bytes now (None: can't be done)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return _status("VmRSS")
    except OSError:
        return None


def peak():
    """Peak resident bytes since ``reset_peak``."""
    return _status("VmHWM")


def _status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
