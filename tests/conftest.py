"""What all tests share: one Hypothesis profile, no window for pictures, a choice of threads."""

import os

import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from fastreg._threads import tries_from

os.environ.setdefault("MPLBACKEND", "Agg")

# A fit takes what it takes on a busy machine, so no deadline. In CI the same examples each time: a change
# fails for what it changed. FASTREG_EXAMPLES=1000 searches longer.
settings.register_profile(
    "fastreg",
    deadline=None,
    max_examples=int(os.environ.get("FASTREG_EXAMPLES", "25")),
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("fastreg")


@pytest.fixture(params=[1, 2], ids=["1-thread", "2-threads"])
def threads(request):
    """Run the test on one thread and on two, BLAS and OpenMP alike; the value is the number."""
    with threadpool_limits(request.param):
        yield request.param


@pytest.fixture
def eager():
    """Work is tried on all threads however little there is of it."""
    before = tries_from(0.0)
    yield
    tries_from(before)
