"""Running a file of tests once more at a lower instruction-set level than the processor's."""

import os
import subprocess
import sys

import pytest

from fastreg._simd.dispatch import level


def lower_levels(test):
    """For a test that calls `passes_at_level`; not in the process that this starts."""
    test = pytest.mark.parametrize("limit", ["baseline", "x86-64-v3"])(test)
    return pytest.mark.skipif("FASTREG_SIMD" in os.environ, reason="is the run at a lower level")(test)


def passes_at_level(limit, file, *args):
    """Run pytest on a file in a process that is held to a level."""
    if limit >= level:
        pytest.skip("the level of this processor")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", file, *args],
        env={**os.environ, "FASTREG_SIMD": limit},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
