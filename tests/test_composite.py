"""solve_glm with group, sorted and folded penalties: optimality, certificates, storages, hard data."""

import numpy as np
import pytest
import reference
from scipy import sparse
from test_glm_solver import LOSSES, data

from fastreg.design import Design
from fastreg.losses import Huber, Logistic, Poisson, Squared
from fastreg.penalties import MCP, SCAD, SLOPE, ExpAbs
from fastreg.penalties.features import FeatureL1L2
from fastreg.penalties.featurewise import FeatureSeparable
from fastreg.penalties.groups import FeatureGroups
from fastreg.penalties.slope import FeatureSorted
from fastreg.solvers import glm_alpha_grid, group_descent, solve_glm
from fastreg.solvers.composite_model import Model
from fastreg.solvers.sweeps import sweep_groups

LABELS = np.array([0, 0, 0, 1, 1, 2, 3, 0, 1, 3, 3, 3])
FACTOR = np.array([0.0, 0.0, 0.0, 1, 1, 2, 1, 0, 1, 1, 1, 1])  # the same within a group
LOWER, UPPER = np.where(np.arange(12) % 2, -0.1, -np.inf), np.where(np.arange(12) % 3, 0.2, 0.0)
MAKE = {
    "mcp": lambda p=12, factor=None: FeatureSeparable(MCP(1.0), p, factor),
    "scad": lambda p=12, factor=None: FeatureSeparable(SCAD(1.0), p, factor),
    "exp": lambda p=12, factor=None: FeatureSeparable(ExpAbs(1.0), p, factor),
    "groups": lambda p=12, factor=None: FeatureGroups(np.resize(LABELS, p), 0.0, factor),
    "sparse groups": lambda p=12, factor=None: FeatureGroups(np.resize(LABELS, p), 0.4, factor),
    "groups in bounds": lambda p=12, factor=None: FeatureGroups(
        np.resize(LABELS, p), 0.0, factor, np.resize(LOWER, p), np.resize(UPPER, p)
    ),
    "slope": lambda p=12, factor=None: FeatureSorted(SLOPE(1.0).weights(p)),
    "slope not negative": lambda p=12, factor=None: FeatureSorted(SLOPE(1.0).weights(p), np.zeros(p)),
}
CONVEX = ("exp", "groups", "sparse groups", "slope", "groups in bounds", "slope not negative")
every_loss = pytest.mark.parametrize("name", LOSSES)
every_penalty = pytest.mark.parametrize("kind", MAKE)
TIGHT = {"tol": 1e-10, "max_iter": 300}


def violation(loss, X, y, design, path, k, penalty, offset=0.0):
    """(largest violation in X̃'s units, slope of the intercept), from coefficients in X's units and plain NumPy."""
    s = design.weights
    gradient = loss(X @ path.coefs[k] + path.intercepts[k] + offset, y, s)[1]
    v = -(X.T @ gradient) / design.scale
    penalty = penalty.scaled(design.scale)
    return penalty.violation(v, path.coefs[k] * design.scale, path.alphas[k]).max(), abs(gradient.sum())


@every_loss
@every_penalty
@pytest.mark.parametrize("extras", ["plain", "no intercept", "factor", "offset and weights", "standardize"])
def test_optimality(name, kind, extras):
    loss = LOSSES[name]
    X, y = data(name)
    rng = np.random.default_rng(1)
    mixed = extras == "offset and weights"
    weight = rng.integers(0, 3, len(y)).astype(float) if mixed else None
    offset = 0.5 * rng.standard_normal(len(y)) if mixed else None
    if extras == "factor" and "slope" in kind:
        pytest.skip("SLOPE has no factors")
    penalty = MAKE[kind](factor=FACTOR if extras == "factor" else None)
    design = Design(X, weight, fit_intercept=extras != "no intercept", standardize=extras == "standardize")
    path = solve_glm(design, loss, y, np.array([0.08, 0.03]), penalty, offset=offset, **TIGHT)
    assert path.converged.all()
    for k in range(2):
        wrong, slope = violation(loss, X, y, design, path, k, penalty, 0.0 if offset is None else offset)
        assert wrong < 1e-4
        assert path.violations[k] == pytest.approx(wrong, abs=1e-6)
        assert extras == "no intercept" or slope < 1e-10


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma", "squared"])
@pytest.mark.parametrize("kind", CONVEX)
def test_no_plain_solver_is_better(name, kind):
    """The optimum of the convex ones, to the digits that prox-gradient steps reach; the gap bounds what is missing."""
    loss = LOSSES[name]
    X, y = data(name)
    penalty, design = MAKE[kind](), Design(X)
    path = solve_glm(design, loss, y, np.array([0.05]), penalty, **TIGHT)
    steps = 500 if "bounds" in kind else 3000
    plain = reference.proximal_gradient(loss, X, y, design.weights, penalty, 0.05, steps=steps)
    assert path.primals[0] <= plain + 1e-10
    assert path.primals[0] == pytest.approx(plain, abs=1e-6)
    for steps in (1, 2, 3):
        loose = solve_glm(Design(X), loss, y, np.array([0.05]), penalty, tol=1e-12, max_iter=steps)
        if kind != "exp":  # an estimate
            assert loose.primals[0] - path.primals[0] <= loose.dual_gaps[0] + 1e-12


@pytest.mark.parametrize("kind", ["mcp", "scad"])
def test_folded_penalties_are_no_worse_than_prox_steps(kind):
    """Not convex: from the same start no plain descent ends lower by much, and large coefficients are not shrunk."""
    X, y = data("squared", n=200)
    penalty, design = MAKE[kind](), Design(X)
    path = solve_glm(design, Squared(), y, np.array([0.1]), penalty, **TIGHT)
    plain = reference.proximal_gradient(Squared(), X, y, design.weights, penalty, 0.1)
    assert path.primals[0] <= plain + 1e-2 * path.null
    large = np.abs(path.coefs[0]) > 0.4
    used = np.flatnonzero(path.coefs[0])
    if large[used].all():
        A = np.column_stack([X[:, used], np.ones(len(y))])
        np.testing.assert_allclose(path.coefs[0][used], np.linalg.lstsq(A, y, rcond=None)[0][:-1], atol=1e-6)


@every_penalty
@pytest.mark.parametrize("name", ["logistic", "poisson", "squared"])
@pytest.mark.parametrize("standardize", [False, True])
def test_storages(kind, name, standardize):
    """Sparse = dense = C = F = integers; float32 nearly."""
    X, y = data(name, shift=3)
    X = np.round(X * 4)
    X[np.abs(X) < 6] = 0
    penalty, alphas = MAKE[kind](), np.array([0.3])
    fits = [
        solve_glm(Design(Z, standardize=standardize), LOSSES[name], y, alphas, penalty, **TIGHT)
        for Z in (X, np.asfortranarray(X), sparse.csc_array(X), X.astype(np.int8), X.astype(np.float32))
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.coefs, fits[0].coefs, atol=1e-5)
        np.testing.assert_allclose(fit.primals, fits[0].primals, rtol=1e-9)


@every_loss
@every_penalty
def test_weights_are_repetitions(name, kind):
    X, y = data(name)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    penalty, alphas = MAKE[kind](), np.array([0.04])
    a = solve_glm(Design(X, weight), LOSSES[name], y, alphas, penalty, **TIGHT)
    b = solve_glm(Design(X[rows]), LOSSES[name], y[rows], alphas, penalty, **TIGHT)
    np.testing.assert_allclose(a.coefs, b.coefs, atol=1e-5)


@every_penalty
@pytest.mark.parametrize("make", [np.asfortranarray, sparse.csc_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", ["logistic", "squared"])
def test_wide_paths(kind, make, name):
    """Working sets on more columns than rows: stationary along the path, and for convex ones as a fit on its own."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 400)) * (rng.random((80, 400)) < 0.4)
    eta = X[:, :5].sum(axis=1) + rng.standard_normal(80)
    y = (eta > 0).astype(float) if name == "logistic" else eta
    loss, penalty = LOSSES[name], MAKE[kind](400) if "groups" not in kind else FeatureGroups(np.arange(400) // 5)
    alphas = glm_alpha_grid(Design(make(X)), loss, y, penalty, eps=0.3, n_alphas=5)
    design = Design(make(X), standardize=kind in ("mcp", "scad"))
    path = solve_glm(design, loss, y, alphas, penalty, tol=1e-8, max_iter=200)
    if kind in CONVEX:
        assert path.converged.all()
        assert not path.coefs[0].any()
        alone = solve_glm(Design(make(X)), loss, y, alphas[4:], penalty, tol=1e-8, max_iter=200)
        assert alone.primals[0] == pytest.approx(path.primals[4], abs=3e-8 * path.null)
    assert path.coefs[4].any()
    for k in np.flatnonzero(path.converged):
        assert violation(loss, X, y, design, path, k, penalty)[0] < 1e-3
    assert np.isfinite(path.coefs).all()


def test_lasso_is_a_group_of_each():
    """Groups of one feature, and groups under L1 alone, are the lasso; so is SLOPE with even weights."""
    X, y = data("logistic")
    alphas = np.array([0.05, 0.01])
    lasso = solve_glm(Design(X), Logistic(), y, alphas, FeatureL1L2(12, 1.0), **TIGHT)
    for penalty in (FeatureGroups(np.arange(12)), FeatureGroups(LABELS, 1.0), FeatureSorted(np.ones(12))):
        path = solve_glm(Design(X), Logistic(), y, alphas, penalty, **TIGHT)
        np.testing.assert_allclose(path.coefs, lasso.coefs, atol=1e-5)
        np.testing.assert_allclose(path.primals, lasso.primals, rtol=1e-9)


def test_groups_vanish_whole_and_equal_columns_cluster():
    X, y = data("squared", n=200)
    path = solve_glm(Design(X), Squared(), y, np.array([0.2]), MAKE["groups"](), **TIGHT)
    for group in range(4):
        zero = path.coefs[0][group == LABELS] == 0
        assert zero.all() == zero.any()
    assert (path.coefs[0] == 0).any()
    assert (path.coefs[0] != 0).any()
    twice = np.column_stack([X[:, 0], -X[:, 0], X[:, 1:4]])
    path = solve_glm(Design(twice, standardize=True), Squared(), y, np.array([0.1]), MAKE["slope"](5), **TIGHT)
    assert path.coefs[0][0] == pytest.approx(-path.coefs[0][1], rel=1e-9)
    assert path.coefs[0][0] != 0


@pytest.mark.parametrize("kind", ["mcp", "scad", "exp", "groups", "sparse groups"])
@pytest.mark.parametrize("name", ["logistic", "squared"])
@pytest.mark.parametrize("n", [120, 10])
def test_bounds(kind, name, n):
    """Few rows too, where groups are swept on the residual."""
    X, y = data(name, n)
    lower, upper, alpha = LOWER, UPPER, 0.02
    if "groups" in kind:
        penalty = FeatureGroups(LABELS, 0.4 if kind == "sparse groups" else 0.0, None, lower, upper)
    else:
        penalty = FeatureSeparable(MAKE[kind]().penalty, 12, None, lower, upper)
    path = solve_glm(Design(X), LOSSES[name], y, np.array([alpha]), penalty, **TIGHT)
    assert path.converged.all()
    coef = path.coefs[0]
    assert (coef >= lower).all()
    assert (coef <= upper).all()
    assert ((coef == lower) | (coef == upper)).any()
    assert violation(LOSSES[name], X, y, Design(X), path, 0, penalty)[0] < 1e-5


@every_penalty
def test_hard_data_ends_in_finite_numbers(kind):
    """Separable classes, dependent and constant columns, no event at all, a huge offset: no NaN, no hang."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 12))
    X[:, 1], X[:, 2] = X[:, 0], 3.0
    penalty, alphas = MAKE[kind](), np.array([0.05, 1e-3])
    y = (X[:, 0] > 0).astype(float)
    for loss, target, offset in (
        (Logistic(), y, None),
        (Logistic(), y * 0, None),
        (Poisson(), y * 0, None),
        (Poisson(), y, np.full(40, -300.0)),
        (Squared(), X @ np.ones(12), None),
    ):
        with np.errstate(all="ignore"):
            path = solve_glm(Design(X), loss, target, alphas, penalty, offset=offset, max_iter=50)
        assert np.isfinite(path.coefs).all()
        assert np.isfinite(path.primals).all()


def test_opposite_columns_under_slope():
    """A vector of ones sees nothing of their Gram matrix."""
    X, y = data("poisson")
    x = np.round(X[:, 0])
    design = Design(np.column_stack([x, -x]), fit_intercept=False)
    path = solve_glm(design, Poisson(), y, np.array([1e-3]), MAKE["slope"](2), **TIGHT)
    assert path.converged.all()
    assert path.coefs[0].any()


def test_free_coefficients_beyond_the_reach_of_exp():
    """Nothing is charged on them, not 0 times infinity."""
    X, y = data("squared")
    penalty = FeatureSeparable(MAKE["exp"]().penalty, 12, np.repeat([0.0, 1.0], [1, 11]))
    path = solve_glm(Design(X), Squared(), y + 1e4 * X[:, 0], np.array([0.1]), penalty, **TIGHT)
    assert path.converged.all()
    assert path.coefs[0][0] > 1e3


@pytest.mark.parametrize("kind", ["mcp", "scad"])
def test_steps_that_only_rounding_lets_pass(kind):
    """Where a folded penalty is flat and the classes are separated, the loss falls on, if slowly."""
    X, y = np.array([[1.0]]), np.array([1.0])
    penalty = FeatureSeparable(MAKE[kind]().penalty, 1)
    some, more = (
        solve_glm(Design(X, fit_intercept=False), Logistic(), y, np.array([0.25]), penalty, tol=1e-9, max_iter=steps)
        for steps in (30, 90)
    )
    assert more.primals[0] < some.primals[0] - 1e-5


@pytest.mark.parametrize("name", ["logistic", "squared"])
@pytest.mark.parametrize("kind", ["groups", "sparse groups"])
@pytest.mark.parametrize("patience", [group_descent.PATIENCE, 1], ids=["residual", "then Gram matrix"])
@pytest.mark.parametrize("extras", ["plain", "no intercept", "factor", "weights", "dependent"])
def test_groups_on_the_residual(name, kind, patience, extras, monkeypatch):
    """Wide dense X, whose groups are visited on the residual: optimal, and the objective is that of sparse X."""
    monkeypatch.setattr(group_descent, "PATIENCE", patience)
    rng = np.random.default_rng(0)
    n, p = 60, 144
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.5) * rng.choice([0.1, 1.0, 5.0], p)
    if extras == "dependent":  # groups without full rank, and one with a constant column
        X[:, 1], X[:, 9], X[:, 4] = X[:, 0], -2 * X[:, 6], 1.0
    eta = X[:, :6] @ np.ones(6) + rng.standard_normal(n)
    y = (eta > 0).astype(float) if name == "logistic" else eta
    weight = rng.integers(0, 3, n) if extras == "weights" else None
    labels, alphas = rng.permutation(p) % 24, np.array([0.2, 0.05])
    factor = 1.0 * (labels > 0) if extras == "factor" else None
    penalty = FeatureGroups(labels, 0.4 if kind == "sparse groups" else 0.0, factor)
    fits = []
    for Z in (np.asfortranarray(X), X, sparse.csc_array(X)):
        design = Design(Z, weight, fit_intercept=extras != "no intercept")
        fits.append(solve_glm(design, LOSSES[name], y, alphas, penalty, tol=1e-10, max_iter=300))
        assert fits[-1].converged.all()
        for k in range(2):
            wrong, slope = violation(LOSSES[name], X, y, design, fits[-1], k, penalty)
            assert wrong < 1e-4
            assert extras == "no intercept" or slope < 1e-9
        np.testing.assert_allclose(fits[-1].primals, fits[0].primals, rtol=1e-9)


@pytest.mark.parametrize("rank", [6, 3])
@pytest.mark.parametrize("weight", [0.0, 1e-3, 1.0, 30.0, 1e3])
def test_visits_minimise_over_a_group(rank, weight):
    """A second sweep over a single group has nothing to do; a group that vanishes is exactly 0."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((rank, 6)) * np.logspace(0, -3, 6)
    rows, target = np.ascontiguousarray(A.T), 5 * rng.standard_normal(rank)
    penalty = FeatureGroups(np.zeros(6, dtype=int))
    penalty.weight[:] = weight
    own = group_descent.Spectra(penalty, lambda at: (rows @ rows.T)[None])
    w, r = rng.standard_normal(6), np.array(target)
    r -= A @ w
    for M, g in ((rows, r), (rows @ rows.T, rows @ r)):
        w_now, g_now = w.copy(), g.copy()
        sweep_groups(M, g_now, w_now, penalty, own, 1.0, 1.0, 1, M is rows)
        wrong = penalty.violation(rows @ (target - A @ w_now), w_now, 1.0).max()
        assert wrong < 1e-9 * (1 + weight)
        assert w_now.any() == (np.linalg.norm(rows @ target) > weight)


@pytest.mark.parametrize("name", ["logistic", "squared", "poisson"])
@pytest.mark.parametrize("kind", ["groups", "sparse groups", "slope"])
@pytest.mark.parametrize("alpha", [0.0, 1e-300, 1e-20])
def test_a_penalty_that_is_none(kind, name, alpha):
    X, y = data(name)
    path = solve_glm(Design(X), LOSSES[name], y, np.array([alpha]), MAKE[kind](), tol=1e-8)
    plain = solve_glm(Design(X), LOSSES[name], y, np.array([0.0]), FeatureL1L2(12), tol=1e-8)
    assert path.converged.all()
    np.testing.assert_allclose(path.coefs, plain.coefs, atol=1e-4)


def test_models_too_ill_conditioned_to_be_solved_cost_little(monkeypatch):
    """Columns on scales of 24 orders: after the first models few rounds are spent on each."""
    rounds = [0]
    solved = Model.solved

    def count(self, gained):
        rounds[0] += 1
        return solved(self, gained)

    monkeypatch.setattr(Model, "solved", count)
    X, y = data("squared", n=12, p=6)
    X = X * 10.0 ** np.linspace(-12, 12, 6)
    penalty = MAKE["slope"](6)
    path = solve_glm(Design(X), Huber(), 1e6 * np.sign(y - y.mean()), np.array([1e-3]), penalty, max_iter=100)
    assert np.isfinite(path.coefs).all()
    assert rounds[0] <= 3000
