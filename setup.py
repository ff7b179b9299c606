"""Builds every ``fastreg/**/*.pyx``; what can be said without code is in pyproject.toml.

Environment:

``FASTREG_DEBUG=1``
    bounds checks in Cython, ``-O1 -g``.
``FASTREG_SANITIZE=address,undefined``
    the same and these sanitizers (see ``make sanitize``).
``FASTREG_JOBS``
    compilers at a time; the number of cores if not given.

C goes to ``build/<variant>/cython`` and objects to ``build/<variant>/temp``: the source tree keeps only the
extension modules of an in-place build, and switching variants never mixes their files.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

SANITIZE = os.environ.get("FASTREG_SANITIZE", "")
DEBUG = bool(SANITIZE) or os.environ.get("FASTREG_DEBUG", "0") not in ("", "0")
VARIANT = "sanitize" if SANITIZE else "debug" if DEBUG else "release"
JOBS = int(os.environ.get("FASTREG_JOBS", 0)) or os.cpu_count() or 1

DISPATCH = "fastreg._simd.dispatch"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
}

OPENMP_SOURCE = """
#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }
"""

# Flags to compile and to link OpenMP with; the first pair that works: GCC and clang on Linux, Apple's clang.
OPENMP_UNIX = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])]
OPENMP_MSVC = [(["/openmp"], [])]


def compile_flags(msvc):
    """Return (compile, link) flags of this variant, OpenMP apart.

    No ``-march=native`` (levels are chosen at import) and no fast-math; that nobody looks at errno and
    floating point traps is all that the compiler needs to know to vectorise sqrt and comparisons.
    """
    if msvc:
        return ["/Od", "/Zi"] if DEBUG else ["/O2"], []
    if not DEBUG:
        return ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math"], []
    # Cython's error paths draw false alarms of -Wmaybe-uninitialized at -O1.
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-Wno-maybe-uninitialized"]
    if SANITIZE:
        sanitize = f"-fsanitize={SANITIZE}"
        return [*flags, sanitize, "-fno-sanitize-recover=all"], [sanitize]
    return flags, []


def openmp_flags(compiler, candidates):
    """Return the first of ``candidates`` that builds an OpenMP program; none: no flags, serial code."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(OPENMP_SOURCE)
        for compile_args, link_args in candidates:
            try:
                objects = compiler.compile([str(source)], output_dir=folder, extra_postargs=compile_args)
                compiler.link_executable(objects, str(Path(folder, "probe")), extra_postargs=link_args)
            except (CompileError, LinkError):
                continue
            return compile_args, link_args
    print("fastreg: this compiler has no OpenMP; building without threads")
    return [], []


class BuildExt(build_ext):
    """build_ext with flags fitted to the compiler, kept objects, and extensions built in parallel."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or JOBS
        if self.inplace or self.editable_mode:
            # pip builds an editable install in a throw-away folder; here, the next build is incremental.
            self.build_temp = str(Path("build", VARIANT, "temp"))
            self.build_lib = str(Path("build", VARIANT, "lib"))

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        compile_args, link_args = compile_flags(msvc)
        omp_compile, omp_link = openmp_flags(self.compiler, OPENMP_MSVC if msvc else OPENMP_UNIX)
        for extension in self.extensions:
            extension.extra_compile_args += compile_args + omp_compile
            extension.extra_link_args += link_args + omp_link
        super().build_extensions()


def find_extensions():
    """Return one Extension for each .pyx; the dispatcher's also has the kernels, one C file a level."""
    extensions = []
    for path in sorted(Path("fastreg").rglob("*.pyx")):
        name = ".".join(path.with_suffix("").parts)
        extensions.append(
            Extension(
                name,
                sources=[str(path), *(c_files("level_*.c") if name == DISPATCH else [])],
                include_dirs=[np.get_include(), "fastreg/_simd"],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            )
        )
    return extensions


def c_files(pattern):
    """Return the paths in ``fastreg/_simd`` that match, sorted."""
    return sorted(str(path) for path in Path("fastreg/_simd").glob(pattern))


def add_depends(extensions):
    """Tell distutils what makes an object stale that Cython does not see: flags, and what C includes from C.

    Said after cythonize, which would copy these files to its build folder.
    """
    for extension in extensions:
        extension.depends.append("setup.py")
        if extension.name == DISPATCH:
            extension.depends += c_files("*.[ch]")
    return extensions


if __name__ == "__main__":
    setup(
        ext_modules=add_depends(
            cythonize(
                find_extensions(),
                nthreads=JOBS,
                build_dir=str(Path("build", VARIANT, "cython")),
                compiler_directives=DIRECTIVES,
            )
        ),
        cmdclass={"build_ext": BuildExt},
    )
