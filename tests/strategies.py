"""Hypothesis strategies: small problems of every kind, as the solvers get them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from reference import PlainDesign
from scipy import sparse

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2

STORAGES = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "int8": lambda X: np.clip(np.round(X), -100, 100).astype(np.int8),
    "csc": sparse.csc_array,
    "csc float32": lambda X: sparse.csc_array(X.astype(np.float32)),
}
# what columns may do to one another
COLUMNS = ["independent", "correlated", "duplicated", "opposite", "low rank", "constant", "few values"]


@dataclass
class Problem:
    """X as it is stored, y, and the arguments of Design and FeatureL1L2; `share` is alpha in units of the top X'y."""

    X: object
    y: np.ndarray
    weight: np.ndarray | None
    options: dict
    penalty: dict
    share: float

    def design(self):
        return Design(self.X, self.weight, **self.options)

    def plain(self):
        return PlainDesign(self.X, self.weight, **self.options)

    def charges(self):
        return FeatureL1L2(self.X.shape[1], **self.penalty)

    @property
    def alpha(self):
        """Well above rounding, even where unpenalised features leave nothing for the others."""
        plain = self.plain()
        cross = np.abs(plain.bind(self.y)[2])
        top = FeatureL1L2(plain.p, self.penalty["l1_ratio"]).alpha_max(cross if cross.ndim == 1 else cross.max(axis=1))
        return self.share * top if top > 1e-12 * np.abs(self.y).max() * np.sqrt(plain.sq_norms.max()) else self.share


@st.composite
def problems(draw, max_n=12, max_p=8, wide=0.1, targets=None, bounds=True):
    """Problems; a share `wide` of them has more columns than a Gram matrix of all is made for."""
    n = draw(st.integers(1, max_n))
    p = draw(st.integers(1, max_p))
    if draw(st.floats(0, 1)) > 1 - wide:
        p += 64
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = columns(draw(st.sampled_from(COLUMNS)), n, p, rng)
    X[rng.random((n, p)) < draw(st.sampled_from([0.0, 0.6]))] = 0
    storage = draw(st.sampled_from(list(STORAGES)))
    # sparse columns are centred after multiplication: means of many standard deviations would drown them
    shift = draw(st.sampled_from([0, 0, 3, 0 if "csc" in storage else 1000]))
    X = (X + shift) * 2.0 ** draw(st.sampled_from([0, 0, -20, 20]))
    coef = rng.standard_normal((p, targets or 1)) * (rng.random((p, 1)) < 0.4)
    size = np.abs(X).max() or 1.0
    y = X / size @ coef + draw(st.sampled_from([0, 0.1, 1])) * rng.standard_normal((n, targets or 1)) + rng.normal()
    X = STORAGES[storage](X)
    weight = None
    if draw(st.booleans()):
        weight = rng.uniform(0.2, 2, n)
        weight[rng.random(n) < 0.2] = 0
        weight[rng.integers(n)] = 1
    penalty = {"l1_ratio": draw(st.sampled_from([1.0, 1.0, 0.5, 1 - 1e-6, 1e-3]))}
    if draw(st.booleans()):
        penalty["factor"] = rng.choice([0.5, 1.0, 2.0], p)
        penalty["factor"][rng.permutation(p)[: draw(st.integers(0, 2))]] = 0
    if bounds and draw(st.booleans()):
        sizes = 0.3 * np.abs(y).max() / size
        penalty["lower"] = rng.choice([-np.inf, 0.0, -sizes], p)
        penalty["upper"] = rng.choice([np.inf, 0.0, sizes], p)
    return Problem(
        X,
        y if targets else y[:, 0],
        weight,
        {"fit_intercept": draw(st.booleans()), "standardize": draw(st.booleans())},
        penalty,
        draw(st.sampled_from([1.5, 0.5, 0.1, 1e-2, 1e-3])),
    )


def columns(kind, n, p, rng):
    """An (n, p) matrix whose columns stand in the given relation, of so few digits that float32 keeps it."""
    X = np.round(1024 * rng.standard_normal((n, p))) / 1024
    if kind == "correlated":
        X = 0.1 * X + rng.standard_normal((n, 1))
    elif kind in ("duplicated", "opposite"):
        X[:, p // 2 :] = X[:, : p - p // 2] * (1 if kind == "duplicated" else -1)
    elif kind == "low rank":
        X = np.round(8 * rng.standard_normal((n, 2))) @ np.round(8 * rng.standard_normal((2, p))) / 64
    elif kind == "constant":
        X[:, ::2] = rng.standard_normal((p + 1) // 2)
    elif kind == "few values":
        X = np.round(X)
    return X
