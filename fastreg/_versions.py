"""The version, and what a bug report about speed or results needs to say."""

import os
import platform
from importlib.metadata import version

__version__ = version("fastreg")


def show_versions():
    """Print the versions, instruction-set level, BLAS libraries and threads that fastreg runs with.

    The level is that of the C kernels chosen at import; ``FASTREG_SIMD`` in the environment bounds it.
    """
    for name, value in collect().items():
        print(f"{name:>14}: {value}")


def collect():
    """Return what :func:`show_versions` prints, in its order.

    Returns
    -------
    dict of str to str
        One item a line.
    """
    # Imported here: each loads a library whose threads and BLAS are then seen below.
    import numpy
    import scipy.linalg
    import sklearn
    from threadpoolctl import threadpool_info

    from fastreg._simd.dispatch import level
    from fastreg._threads import get_num_threads

    found = {
        "fastreg": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "platform": platform.platform(),
        "cores": str(cores()),
        "SIMD level": level,
        "threads": str(get_num_threads()),
    }
    # NumPy and SciPy usually bring a BLAS each (fastreg calls SciPy's), scikit-learn an OpenMP.
    for number, library in enumerate(threadpool_info(), 1):
        words = [library["prefix"], library["version"], library.get("architecture")]
        found[f"{library['user_api']} {number}"] = (
            " ".join(word for word in words if word) + f", {library['num_threads']} threads"
        )
    return found


def cores():
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
