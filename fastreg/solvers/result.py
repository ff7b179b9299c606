"""What solvers return."""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import sparse


@dataclass
class Path:
    """Fits along a grid of alphas: axis 0 runs over alphas, a further one over targets.

    ``coefs`` (K, p) or (K, T, p), or a sparse (K, p); gaps and primals in the units of the objective; ``null`` is the
    objective at 0, which tolerances refer to. ``violations``, where a solver has them: the largest distance of a
    gradient from the subdifferential, in the units of X̃. ``df``, where somebody asked for them: degrees of freedom.
    """

    alphas: np.ndarray
    coefs: object
    intercepts: np.ndarray
    dual_gaps: np.ndarray
    primals: np.ndarray
    null: float | np.ndarray
    n_iters: np.ndarray
    converged: np.ndarray
    violations: np.ndarray | None = None
    df: np.ndarray | None = None

    def last(self):
        """The Path of its last alpha."""
        parts = {field.name: getattr(self, field.name) for field in fields(Path) if field.name != "null"}
        return replace(self, **{name: part[-1:] for name, part in parts.items() if part is not None})

    def dense_coefs(self):
        """``coefs`` with its zeros."""
        return self.coefs.toarray() if sparse.issparse(self.coefs) else self.coefs
