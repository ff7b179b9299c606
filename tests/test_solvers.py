"""solve_path: every fit is optimal to its tolerance and says so truly, whatever the problem, the storage and the way taken."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
import reference
from fastreg.penalties import L1L2
from hypothesis import given
from reference import PlainDesign
from scipy import sparse
from sklearn.linear_model import ElasticNet
from strategies import problems

from fastreg.design import Design
from fastreg.solvers import alpha_grid, solve_path, working_set

RNG = np.random.default_rng(0)
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
        self.charges = L1L2(self.design.p, **self.penalty)
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
    yield Case("next to no penalty", *tall, shares=(1e-12,))
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
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def check(case, path, slack=1e-11):
    """What every Path owes: finite coefficients within their bounds, a primal that is theirs, an honest gap."""
    rounding = slack * path.null + 1e-25 * np.square(case.y).max()
    for k, alpha in enumerate(path.alphas):
        coef, intercept, gap = path.coefs[k], path.intercepts[k], path.dual_gaps[k]
        assert np.isfinite(coef).all()
        assert (coef >= case.charges.lower * (1 + 1e-12)).all()
        assert (coef <= case.charges.upper * (1 + 1e-12)).all()
        assert path.primals[k] == pytest.approx(case.objective(alpha, coef, intercept), rel=1e-8, abs=rounding)
        assert gap >= 0
        assert path.n_iters[k] >= 1
    return rounding


@every_case
def test_optimal(case):
    """No worse than the plain twin, certified by our gap, and by one that is worked out in plain NumPy."""
    for share in case.shares:
        alpha = share * case.top
        fits = [case.solve(alpha, tol=tol) for tol in (case.tol, 1e-3)]
        values = []
        for path, tol in zip(fits, (case.tol, 1e-3)):
            rounding = check(case, path)
            assert path.converged[0]
            assert path.dual_gaps[0] <= max(tol, 1e-14) * path.null
            values.append(case.objective(alpha, path.coefs[0], path.intercepts[0]))
        null, bounds = fits[0].null, (case.charges.lower, case.charges.upper)
        assert values[1] - values[0] <= fits[1].dual_gaps[0] + rounding
        if case.optimum:
            twin = reference.coordinate_descent(
                case.plain, case.y, alpha, case.charges.l1_ratio, case.charges.factor, *bounds, sweeps=100
            )
            assert values[0] <= case.objective(alpha, twin.coef, twin.intercept) + case.tol * null + rounding
        if share > 1e-9:
            floor = reference.lower_bound(case.plain, case.y, fits[0].coefs[0], *case.parts(alpha), *bounds)
            assert values[0] - floor <= 1e-7 * null + rounding


@every_case
def test_path_is_single_fits(case):
    """Along a path, which goes other ways than a single fit, each objective is that of a single fit; the ends included."""
    shares = (
        np.geomspace(2.0, max(min(case.shares), 1e-4), 7) if max(case.shares) else [1.0, 0.1, 0.01, 1e-3, 1e-4, 0.0]
    )
    path = case.solve(np.asarray(shares) * case.top)
    rounding = check(case, path, slack=1e-9)
    assert path.converged.all()
    for k in (0, 3, -1):
        alpha = path.alphas[k]
        single = case.solve(alpha)
        here, there = (case.objective(alpha, fit.coefs[i], fit.intercepts[i]) for fit, i in ((path, k), (single, 0)))
        assert here - there <= path.dual_gaps[k] + rounding
        assert there - here <= single.dual_gaps[0] + rounding


@every_case
def test_out_of_iterations(case):
    """One iteration: converged only if the gap says so, and the gap is true all the same."""
    alpha = case.shares[-1] * case.top
    path = case.solve(alpha, max_iter=1)
    rounding = check(case, path)
    best = case.solve(alpha)
    value, optimum = (case.objective(alpha, fit.coefs[0], fit.intercepts[0]) for fit in (path, best))
    assert value - optimum <= path.dual_gaps[0] + rounding
    assert path.converged[0] == (path.dual_gaps[0] <= max(case.tol, 1e-14) * path.null)


def test_out_of_iterations_is_not_converged():
    for name in ("meats", "interpolation", "Hilbert, wide"):
        case = next(case for case in CASES if case.name == name)
        path = case.solve(case.shares[-1] * case.top, max_iter=1)
        assert not path.converged[0]
        assert path.n_iters[0] < 100


@every_case
def test_warm_start(case):
    """From its own solution a fit is over at once; from anywhere (bounds broken, too) it ends where it did before."""
    alpha = case.shares[0] * case.top
    cold = case.solve(alpha)
    again = case.solve(alpha, coef_init=cold.coefs[0], tol=max(10 * case.tol, 1e-12))
    assert again.n_iters[0] <= max(cold.n_iters[0], 2)
    wild = cold.coefs[0] + np.random.default_rng(0).standard_normal(case.design.p) * (np.abs(cold.coefs[0]).max() or 1)
    for path in (again, case.solve(alpha, coef_init=wild)):
        rounding = check(case, path, 1e-10)
        assert path.converged[0]
        values = [case.objective(alpha, fit.coefs[0], fit.intercepts[0]) for fit in (cold, path)]
        assert abs(values[0] - values[1]) <= max(cold.dual_gaps[0], path.dual_gaps[0]) + rounding


@pytest.mark.parametrize("case", [case for case in CASES if case.charges.l1_ratio > 0.1], ids=str)
def test_alpha_max(case):
    """At the top of the grid penalised coefficients are 0, just below one is not."""
    penalised = case.charges.factor > 0
    grid = alpha_grid(case.design, case.y, case.charges, eps=0.01, n_alphas=3)
    np.testing.assert_allclose(grid[1:] / grid[:-1], 0.1)
    if grid[0] < 1e-9 * case.top:
        return  # y, or what the unpenalised features leave of it, is constant
    for factor, enters in ((1 + 1e-9, False), (1 - 1e-6, True)):
        path = case.solve(factor * grid[0], tol=1e-15)
        assert (path.coefs[0][penalised] != 0).any() == enters


@pytest.mark.parametrize(
    "case", [case for case in CASES if not set(case.penalty) & {"factor", "lower", "upper"}], ids=str
)
def test_scikit_learn(case):
    """Never worse than scikit-learn with a tight tolerance."""
    if case.options.get("standardize") or "100" in case.name or case.shares == (0.0,):
        pytest.skip("not scikit-learn's")
    alpha = case.shares[-1] * case.top
    model = ElasticNet(
        alpha,
        l1_ratio=case.charges.l1_ratio,
        fit_intercept=case.options.get("fit_intercept", True),
        tol=1e-10,
        max_iter=2000,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.X, case.y, sample_weight=case.weight)
    path = case.solve(alpha)
    ours = case.objective(alpha, path.coefs[0], path.intercepts[0])
    assert ours <= case.objective(alpha, model.coef_, model.intercept_) + (case.tol + 1e-12) * path.null


@every_case
def test_units(case):
    """X and y in other units: the same coefficients in those units, to the last digits where units are powers of 2."""
    if "1e" in case.name:
        pytest.skip("has its units already")
    x_unit, y_unit = 2.0**20, 2.0**-30
    alpha = case.shares[0] * case.top
    bounds = {
        name: np.asarray(case.penalty[name]) * y_unit / x_unit for name in ("lower", "upper") if name in case.penalty
    }
    # with L2 the penalty's own units come in: alpha in those of X'y for L1, of X'X for L2
    if case.charges.l1_ratio < 1 or case.options.get("standardize"):
        pytest.skip("alpha has several units")
    other = dataclasses.replace(case, X=case.X * x_unit, y=case.y * y_unit, penalty={**case.penalty, **bounds})
    here, there = case.solve(alpha), other.solve(alpha * x_unit * y_unit)
    np.testing.assert_allclose(
        there.coefs * x_unit / y_unit, here.coefs, rtol=1e-9, atol=1e-9 * np.abs(here.coefs).max()
    )
    np.testing.assert_allclose(there.null, here.null * y_unit**2, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------
# several targets


@pytest.mark.parametrize("name", ["tall", "wide", "weighted", "meats", "wide duplicates", "text, int32", "elastic net"])
def test_targets(name):
    """Targets apart are single fits; one task is no different from one target; tasks together are optimal together."""
    case = next(case for case in CASES if case.name == name)
    alphas = np.array([0.5, 0.05]) * case.top
    single = case.solve(alphas, tol=1e-10)
    Y = np.column_stack([case.y, -2 * case.y, np.roll(case.y, 3)])
    apart = solve_path(case.design, Y, alphas, case.charges, tol=1e-10, max_iter=100_000)
    assert apart.coefs.shape == (2, 3, case.design.p)
    one = solve_path(case.design, Y[:, :1], alphas, case.charges, tol=1e-8, max_iter=100_000, multitask=True)
    together = solve_path(case.design, Y, alphas, case.charges, tol=1e-6, max_iter=100_000, multitask=True)
    assert apart.converged.all()
    assert one.converged.all()
    assert together.converged.all()
    null = single.null
    for k, alpha in enumerate(alphas):
        value = case.objective(alpha, single.coefs[k], single.intercepts[k])
        for coef, intercept in (
            (apart.coefs[k, 0], apart.intercepts[k, 0]),
            (one.coefs[k, 0], one.intercepts[k, 0]),
        ):
            assert case.objective(alpha, coef, intercept) == pytest.approx(value, abs=2e-8 * null)
        l1, l2 = case.parts(alpha)
        ours = reference.multitask_objective(case.plain, Y, together.coefs[k], together.intercepts[k], l1, l2)
        twin = reference.block_coordinate_descent(
            case.plain, Y, alpha, case.charges.l1_ratio, case.charges.factor, sweeps=30
        )
        twin = reference.multitask_objective(case.plain, Y, twin.coef, twin.intercept, l1, l2)
        assert ours == pytest.approx(together.primals[k], rel=1e-9)
        assert ours - twin <= 1.1e-6 * together.null


# ---------------------------------------------------------------------------------------------------------
# the ways through a sparse problem


WAYS = {
    "on the residual": {"GRAM_COLUMNS": 0},
    "on the Gram matrix": {"SHORT": 0.0},
    "on the residual, given up at once": {"SHORT": np.inf, "SparseBlock.slow": True},
    "as it is": {},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "penalty",
    [{}, {"l1_ratio": 0.5}, {"lower": 0.0, "upper": 0.5}, {"factor": np.linspace(0, 2, 120)}],
    ids=["lasso", "elastic net", "bounds", "factors"],
)
def test_ways_through_sparse(monkeypatch, way, weighted, penalty):
    """However the sets are solved, paths are the dense ones."""
    X, y = text(90, 120)
    weight = np.random.default_rng(1).uniform(0, 1, 90) if weighted else None
    dense = Case("dense", X.toarray(), y, penalty, weight)
    alphas = dense.top * np.geomspace(1, 1e-3, 4)
    expected = dense.solve(alphas)
    for name, value in WAYS[way].items():
        owner, _, attribute = name.rpartition(".")
        monkeypatch.setattr(getattr(working_set, owner) if owner else working_set, attribute, value)
    case = Case(way, X, y, penalty, weight)
    path = case.solve(alphas)
    check(case, path)
    assert path.converged.all()
    for k, alpha in enumerate(alphas):
        values = [case.objective(alpha, fit.coefs[k], fit.intercepts[k]) for fit in (path, expected)]
        assert values[0] == pytest.approx(values[1], abs=2 * case.tol * path.null)


def test_long_sparse_paths_are_sparse(monkeypatch):
    """Where a path has too many entries to be written out, it comes as CSR, with the same numbers."""
    from fastreg.solvers import path as path_module

    case = next(case for case in CASES if case.name == "text, standardised")
    alphas = case.top * np.geomspace(1, 0.1, 4)
    dense = case.solve(alphas)
    monkeypatch.setattr(path_module, "DENSE_PATH", 0)
    packed = case.solve(alphas)
    assert packed.coefs.format == "csr"
    np.testing.assert_array_equal(packed.coefs.toarray(), dense.coefs)
    np.testing.assert_allclose(packed.intercepts, dense.intercepts)


# ---------------------------------------------------------------------------------------------------------
# anything


@given(problems())
def test_any_problem(problem):
    """Single fits and a path, of whatever Hypothesis comes up with."""
    case = Case("any", problem.X, problem.y, problem.penalty, problem.weight, problem.options, tol=1e-6)
    alpha = problem.alpha
    path = case.solve(alpha)
    rounding = check(case, path)
    assert path.converged[0]
    value, null = case.objective(alpha, path.coefs[0], path.intercepts[0]), path.null
    bounds = (case.charges.lower, case.charges.upper)
    twin = reference.coordinate_descent(
        case.plain, case.y, alpha, case.charges.l1_ratio, case.charges.factor, *bounds, sweeps=60
    )
    tight = case.solve(alpha, tol=1e-12)
    best = min(
        case.objective(alpha, twin.coef, twin.intercept),
        case.objective(alpha, tight.coefs[0], tight.intercepts[0]),
    )
    assert value - best <= path.dual_gaps[0] + 1e-10 * null + rounding
    assert value - best <= 1.001e-6 * null + rounding
    floor = reference.lower_bound(case.plain, case.y, tight.coefs[0], *case.parts(alpha), *bounds)
    assert best - floor <= 1e-5 * null + rounding
    along = case.solve(alpha * np.geomspace(20, 1, 6))
    check(case, along, slack=1e-8)
    assert along.converged.all()
    last = case.objective(alpha, along.coefs[-1], along.intercepts[-1])
    assert last - best <= along.dual_gaps[-1] + 1e-9 * null + rounding
