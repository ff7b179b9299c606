"""One short file a rival: how it is called, how it likes its input, which tolerances it is tried at.

A module defines ``RIVALS``, a list of ``Rival``. The functions take ``(X, y, problem, tol)`` and return
what a user would have after the fit: (coef, intercept), for a path (coefs, intercepts), for "cv" and "loo" a
dict with alpha, coef, intercept and, where the rival keeps it, curve (mean test error for each alpha of the
problem, in its order) or score (the least).
"""

import importlib
import os
from dataclasses import dataclass, field, replace

import numpy as np

# Where this process may run, before a rival changes that.
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None

# Those that tend to be quick come first: slower ones are cut off at a multiple of the best time so far.
MODULES = (
    "bare", "fastreg", "lars", "skglm", "adelie", "celer", "sklearn", "sklearnex", "glmnet", "glum",
    "rglmnet", "fastreg_networks", "jax", "torch", "sklearn_mlp",
)  # fmt: skip


@dataclass(frozen=True)
class Rival:
    """One way to solve the workloads.

    Attributes
    ----------
    name : str
    package : str
        Distribution whose version is reported.
    imports : str
        Module whose import a user waits for.
    functions : dict
        Family of workloads -> function(X, y, problem, tol). Of networks, "beside": what fits are timed in turn with.
    tols : dict
        Family -> tolerances from loose to tight; "default" for the rest. An exact method has one, None.
    skips : dict
        Workload or family -> why it isn't run.
    order : str
        "F" or "C": dense layout it likes best. Sparse is CSC for all.
    floor : bool
        A bare loop or BLAS call: shown, but no rival.
    module : str
        File of this folder; filled in by ``load_rivals``.
    """

    name: str
    package: str
    imports: str
    functions: dict
    tols: dict = field(default_factory=lambda: {"default": tuple(10.0**-k for k in range(3, 13))})
    skips: dict = field(default_factory=dict)
    order: str = "F"
    floor: bool = False
    module: str = ""

    def grid(self, family):
        return self.tols.get(family, self.tols.get("default"))

    def skip(self, work):
        """Why this workload isn't run, or None."""
        if work.family not in self.functions:
            return "not offered"
        return self.skips.get(work.name, self.skips.get(work.family))

    def layout(self, X):
        """X as the rival likes it best; not timed."""
        return X if hasattr(X, "tocsc") or self.order == "F" else np.ascontiguousarray(X)


def load_rivals(names=None, modules=MODULES):
    """Rivals whose packages are here, in order, and a dict of those that aren't with the reason.

    Parameters
    ----------
    names : list of str, optional
        Names of rivals ("sklearn-gram") or of modules ("sklearn": all its variants).
    modules : sequence of str
        Only these files are imported.
    """
    rivals, missing = [], {}
    for module in modules:
        try:
            found = importlib.import_module(f"bench.rivals.{module}").RIVALS
        except Exception as error:  # whatever it is: it is reported and the rival left out
            if names is None or any(n.split("-")[0] == module for n in names):
                missing[module] = f"{type(error).__name__}: {error}"
            continue
        rivals += [replace(r, module=module) for r in found if names is None or r.name in names or module in names]
    return rivals, missing


def describe_rivals(names=None):
    """``load_rivals`` without the functions: for a process of its own, because some imports change the environment and
    the affinity that later processes would inherit."""
    rivals, missing = load_rivals(names)
    return [replace(r, functions=dict.fromkeys(r.functions)) for r in rivals], missing
