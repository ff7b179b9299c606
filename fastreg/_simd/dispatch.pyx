"""The one choice of the instruction-set level, made at import.

``FASTREG_SIMD`` (``baseline``, ``x86-64-v3`` or ``x86-64-v4``) bounds it, for tests and comparisons.
"""

import os

import numpy as np

cdef bytes _limit = os.environ.get("FASTREG_SIMD", "").encode()

kernels = fr_select(_limit)
level = kernels.name.decode()

# What X may be made of, in native byte order.
KINDS = {
    np.dtype(np.float32): FR_FLOAT, np.dtype(np.float64): FR_DOUBLE, np.dtype(np.bool_): FR_UINT8,
    np.dtype(np.int8): FR_INT8, np.dtype(np.int16): FR_INT16, np.dtype(np.int32): FR_INT32,
    np.dtype(np.int64): FR_INT64, np.dtype(np.uint8): FR_UINT8, np.dtype(np.uint16): FR_UINT16,
    np.dtype(np.uint32): FR_UINT32, np.dtype(np.uint64): FR_UINT64,
}


def dot(const double[::1] x, const double[::1] y):
    """x'y on the caller's thread: BLAS would wake threads of its own, while those of our last pass still spin."""
    return kernels.dot(x.shape[0], &x[0], &y[0]) if x.shape[0] else 0.0     # debug builds check the address of x[0]
