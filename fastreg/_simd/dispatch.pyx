"""The one choice of the instruction-set level, made at import.

``FASTREG_SIMD`` (``baseline``, ``x86-64-v3`` or ``x86-64-v4``) bounds it, for tests and comparisons.
"""

import os

cdef bytes _limit = os.environ.get("FASTREG_SIMD", "").encode()

kernels = fr_select(_limit)
level = kernels.name.decode()


def dot(const double[::1] x, const double[::1] y):
    """x'y on the caller's thread: BLAS would wake threads of its own, while those of our last pass still spin."""
    return kernels.dot(x.shape[0], &x[0], &y[0]) if x.shape[0] else 0.0     # debug builds check the address of x[0]
