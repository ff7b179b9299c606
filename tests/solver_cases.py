"""The problems that tests/test_solvers.py solves: ill-conditioned, degenerate, bounded, of odd units, sparse."""

import dataclasses
from pathlib import Path

import numpy as np
import reference
from reference import PlainDesign
from scipy import sparse

from fastreg.design import Design
from fastreg.penalties.features import FeatureL1L2
from fastreg.solvers import solve_path

MEATS = np.loadtxt(Path(__file__).parent / "meats.csv", delimiter=",")


@dataclasses.dataclass
class Case:
    """A problem by name; alphas are in units of the largest |X'y|, where all is 0 without unpenalised features."""

    name: str
    X: object
    y: np.ndarray
    penalty: dict = dataclasses.field(default_factory=dict)
    weight: np.ndarray | None = None
    options: dict = dataclasses.field(default_factory=dict)
    shares: tuple = (0.5, 0.03)
    tol: float = 1e-10
    optimum: bool = True  # whether the plain twin gets there in a moment

    def __post_init__(self):
        self.design = Design(self.X, self.weight, **self.options)
        self.charges = FeatureL1L2(self.design.p, **self.penalty)
        self.plain = PlainDesign(self.X, self.weight, **self.options)
        self.top = np.abs(self.plain.bind(self.y)[2]).max() / self.charges.l1_ratio or 1.0

    def __str__(self):
        return self.name

    def parts(self, alpha):
        """l1 and l2 of each feature."""
        ratio, factor = self.charges.l1_ratio, self.charges.factor
        return alpha * ratio * factor, alpha * (1 - ratio) * factor

    def objective(self, alpha, coef, intercept):
        return reference.objective(self.plain, self.y, coef, intercept, *self.parts(alpha))

    def solve(self, alphas, **arguments):
        arguments = {"tol": self.tol, "max_iter": 100_000, **arguments}
        return solve_path(self.design, self.y, np.atleast_1d(np.asarray(alphas, float)), self.charges, **arguments)


def hilbert(n, p):
    return 1 / (np.arange(n)[:, None] + np.arange(p) + 1.0)


def text(n, p, seed=0, index=np.int32):
    """Sparse columns of Zipf's lengths, like words in documents."""
    rng = np.random.default_rng(seed)
    lengths = np.clip((0.6 * n / np.arange(1, p + 1)).astype(int), 1, n)
    rows = np.concatenate([np.sort(rng.choice(n, length, replace=False)) for length in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    X = sparse.csc_array((rng.uniform(0.1, 1, len(rows)), rows, indptr), shape=(n, p))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    y = X[:, [2, 5, 9]] @ np.array([3.0, -2.0, 2.0]) + 0.1 * rng.standard_normal(n)
    return X, y


def make_cases():
    rng = np.random.default_rng(0)

    def normal(n, p, k=3):
        X = rng.standard_normal((n, p))
        return X, X[:, :k].sum(axis=1) + 0.5 * rng.standard_normal(n)

    tall, wide = normal(60, 8), normal(20, 200)
    yield Case("tall", *tall)
    yield Case("wide", *wide)
    yield Case("weighted", *tall, weight=rng.uniform(0, 1, 60) * (rng.random(60) < 0.8))
    yield Case("wide, weighted, standardised", *wide, weight=rng.uniform(0, 1, 20), options={"standardize": True})
    yield Case("no intercept", tall[0] + 2, tall[1] + 5, options={"fit_intercept": False})
    yield Case("meats", MEATS[:, :-1], MEATS[:, -1], shares=(0.1, 1e-3, 1e-5), optimum=False, tol=1e-9)
    yield Case("meats, few columns", MEATS[:, :60], MEATS[:, -1], shares=(0.1, 1e-3, 1e-5), optimum=False, tol=1e-9)
    yield Case("Hilbert", hilbert(20, 12), rng.standard_normal(20), shares=(0.1, 1e-4), optimum=False)
    yield Case("Hilbert, wide", hilbert(12, 80), rng.standard_normal(12), shares=(0.1, 1e-4), optimum=False)
    yield Case("duplicates", np.repeat(tall[0], 3, axis=1), tall[1])
    yield Case("opposite duplicates", np.hstack([tall[0], -tall[0]]), tall[1])
    yield Case("wide duplicates", np.hstack([wide[0], -wide[0], wide[0]]), wide[1])
    yield Case("duplicates, elastic net", np.repeat(tall[0], 3, axis=1), tall[1], {"l1_ratio": 0.5})
    yield Case("interpolation", *wide, shares=(1e-3,), optimum=False)
    yield Case("n = 1", tall[0][:1], tall[1][:1])
    yield Case("n = 1, no intercept", tall[0][:1], tall[1][:1], options={"fit_intercept": False})
    yield Case("n = 1, wide", wide[0][:1], wide[1][:1], options={"fit_intercept": False})
    yield Case("n = 2", wide[0][:2], wide[1][:2])
    yield Case("p = 1", tall[0][:, :1], tall[1])
    constant = tall[0].copy()
    constant[:, ::3] = [0.1, 0.0, -1e6]
    yield Case("constant columns", constant, tall[1])
    yield Case("constant columns, standardised", constant, tall[1], options={"standardize": True})
    yield Case("nothing but constants", np.full((9, 3), 0.1), rng.standard_normal(9))
    yield Case("constant y", tall[0], np.full(60, 0.1))
    yield Case("y = 0", tall[0], np.zeros(60), options={"fit_intercept": False})
    yield Case("far from 0", tall[0] + 1e6, tall[1] - 1e6)
    yield Case("large alpha", *tall, shares=(1e3, 1e300))
    yield Case("no penalty", *tall, shares=(0.0,))
    yield Case("no penalty, more columns than a full Gram has", *normal(200, 90), shares=(0.0,), tol=1e-8)
    yield Case("next to no penalty", *tall, shares=(1e-11, 1e-20))
    yield Case("a little L2", *wide, {"l1_ratio": 1 - 1e-6})
    yield Case("elastic net", *wide, {"l1_ratio": 0.3})
    yield Case("much L2", *wide, {"l1_ratio": 1e-3}, optimum=False)
    for shape, (X, y) in {"tall": tall, "wide": wide}.items():
        p = X.shape[1]
        factor = rng.uniform(0.5, 2, p)
        factor[[1, 4]] = 0
        bounds = {
            "lower": rng.choice([-np.inf, -0.2, 0], p),
            "upper": rng.choice([np.inf, 0.2, 0], p),
        }
        yield Case(f"{shape}, factors", X, y, {"factor": factor})
        yield Case(f"{shape}, bounds", X, y, bounds)
        yield Case(f"{shape}, non-negative", X, y, {"lower": 0.0})
        yield Case(f"{shape}, non-positive", X, y, {"upper": 0.0})
        yield Case(f"{shape}, all at once", X, y, {"factor": factor, **bounds, "l1_ratio": 0.7})
        standardized = {"options": {"standardize": True}}
        yield Case(f"{shape}, all at once, standardised", 9 * X, y, {"factor": factor, **bounds}, **standardized)
    for shape, (X, y) in {"tall": tall, "wide": wide, "text": text(80, 150)}.items():
        close, few = sparse.csc_array(X).toarray(), np.ones(X.shape[1])
        few[:6] = 0
        for distance in (0, 1e-6, 1e-4, 1e-3):
            close[:, :6] = close[:, :1] + distance * rng.standard_normal((len(y), 6))
            store = sparse.csc_array if shape == "text" else np.array
            yield Case(f"{shape}, unpenalised columns {distance} apart", store(close), y, {"factor": few})
    for exponents in [(100, -100), (-100, 100), (100, 100), (-100, -100), (0, 100), (0, -100)]:
        x_scale, y_scale = 10.0 ** np.array(exponents)
        yield Case(f"X 1e{exponents[0]}, y 1e{exponents[1]}", x_scale * tall[0], y_scale * tall[1])
        yield Case(f"wide X 1e{exponents[0]}, y 1e{exponents[1]}", x_scale * wide[0], y_scale * wide[1])
    mixed = wide[0] * 10.0 ** rng.integers(-8, 9, wide[0].shape[1])
    yield Case("columns of all scales, standardised", mixed, wide[1], options={"standardize": True})
    yield Case("columns of all scales", mixed, wide[1], shares=(0.5, 1e-3))
    for index in (np.int32, np.int64):
        yield Case(f"text, {np.dtype(index)}", *text(80, 150, index=index))
    yield Case("text, standardised", *text(80, 150), options={"standardize": True}, weight=rng.uniform(0, 1, 80))
    yield Case("text, no intercept", *text(80, 150), options={"fit_intercept": False}, penalty={"l1_ratio": 0.9})
    yield Case("text, long", *text(1500, 100), optimum=False)


CASES = list(make_cases())
