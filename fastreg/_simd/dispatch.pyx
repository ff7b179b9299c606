"""The one choice of the instruction-set level, made at import.

``FASTREG_SIMD`` (``baseline``, ``x86-64-v3`` or ``x86-64-v4``) bounds it, for tests and comparisons.
"""

import os

cdef bytes _limit = os.environ.get("FASTREG_SIMD", "").encode()

kernels = fr_select(_limit)
level = kernels.name.decode()
