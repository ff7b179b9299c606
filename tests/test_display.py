"""PathDisplay: it draws the path it is given, and its text can be read."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError

from fastreg import ElasticNetCV, Lasso, LassoCV, lasso_path
from fastreg.display import PathDisplay, _spread


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def path(diabetes):
    X, y = diabetes
    return lasso_path(X.to_numpy(), y.to_numpy() - y.mean())[:2]


def test_from_path_draws_the_coefficients(path, diabetes):
    alphas, coefs = path
    names = list(diabetes[0].columns)
    display = PathDisplay.from_path(alphas, coefs, feature_names=names)
    assert len(display.lines_) == len(names)
    for line in display.lines_:
        np.testing.assert_array_equal(line.get_xdata(), alphas)
        np.testing.assert_array_equal(line.get_ydata(), coefs[names.index(line.get_label())])
    assert display.cv_ax_ is None
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xscale() == "log"
    left, right = display.ax_.get_xlim()
    assert left > alphas[0]
    assert right == pytest.approx(alphas[-1])


def test_order_of_alphas_and_sparse_coefs_make_no_difference(path):
    alphas, coefs = path
    first = PathDisplay(alphas, coefs)
    second = PathDisplay(alphas[::-1], sparse.csc_array(coefs[:, ::-1]))
    np.testing.assert_array_equal(first.alphas, second.alphas)
    np.testing.assert_array_equal(first.coefs, second.coefs)


@pytest.mark.parametrize("rule", ["min", "1se"])
def test_from_estimator(diabetes, rule):
    X, y = diabetes
    model = LassoCV(rule=rule).fit(X, y)
    display = PathDisplay.from_estimator(model, X, y)
    np.testing.assert_allclose(display.alphas, model.alphas_)
    np.testing.assert_allclose(display.cv_mean, model.mse_path_.mean(axis=1))
    assert getattr(display, f"alpha_{rule}") == model.alpha_
    assert display.alpha_1se >= display.alpha_min
    at = int(np.argmin(np.abs(display.alphas - model.alpha_)))
    np.testing.assert_allclose(display.coefs[:, at], model.coef_, rtol=0.02, atol=2.0)
    assert display.feature_names == list(X.columns)
    labels = [text.get_text() for text in display.cv_ax_.get_legend().get_texts()]
    assert labels == [f"min: alpha {display.alpha_min:.3g}", f"1se: alpha {display.alpha_1se:.3g}"]
    assert not any(tick.label1.get_visible() for tick in display.ax_.xaxis.get_major_ticks())


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty_factor": [1, 1, 0] + 7 * [1], "standardize": True},
        {"upper": 300.0},
        {"adaptive": "ridge", "tol": 1e-8},
        {"relax": 0.0, "tol": 1e-8},
    ],
    ids=str,
)
def test_from_estimator_keeps_the_estimators_settings(diabetes, settings):
    X, y = diabetes
    model = ElasticNetCV(l1_ratio=[0.3, 0.9], **settings).fit(X, y)
    before = set(vars(model))
    display = PathDisplay.from_estimator(model, X, y, sample_weight=np.ones(len(y)))
    assert set(vars(model)) == before
    assert (display.coefs[2] != 0).all() or "penalty_factor" not in settings
    assert display.coefs.max() <= settings.get("upper", np.inf)
    at = int(np.argmin(np.abs(display.alphas - model.alpha_)))
    np.testing.assert_allclose(display.coefs[:, at], model.coef_, rtol=0.02, atol=2.0)


def test_given_axes(path):
    alphas, coefs = path
    figure, axes = plt.subplots(2)
    errors = {"cv_mean": np.ones(len(alphas)), "cv_se": np.full(len(alphas), 0.1)}
    display = PathDisplay(alphas, coefs, **errors).plot(axes, title="a title")
    assert (display.ax_, display.cv_ax_) == tuple(axes)
    assert axes[0].get_title(loc="left") == "a title"
    single = PathDisplay(alphas, coefs, **errors).plot(plt.figure().subplots())
    assert single.cv_ax_ is None
    assert single.ax_.get_xlabel() == "alpha"
    assert single.ax_.get_legend() is None
    marked = PathDisplay(alphas, coefs, alpha_min=alphas[5]).plot()
    assert [text.get_text() for text in marked.ax_.get_legend().get_texts()] == [f"min: alpha {alphas[5]:.3g}"]
    assert PathDisplay(alphas, coefs, **errors).plot().cv_ax_ is not None


def test_edge_cases_draw():
    PathDisplay.from_path([0.5], np.zeros((3, 1)))
    PathDisplay.from_path([0.5], np.ones((3, 1)))
    PathDisplay.from_path([2.0, 1.0], np.zeros((0, 2)))
    for figure in map(plt.figure, plt.get_fignums()):
        figure.canvas.draw()


@pytest.mark.parametrize("seed", range(3))
def test_text_does_not_overlap(path, diabetes, seed):
    alphas, coefs = path
    if seed:
        rng = np.random.default_rng(seed)
        coefs = np.cumsum(rng.standard_normal((60, len(alphas))) * (rng.random(60) < 0.5)[:, None], axis=1)
    display = PathDisplay.from_path(alphas, coefs, feature_names=[f"feature {j}" for j in range(len(coefs))])
    display.figure_.canvas.draw()
    # Of an annotation's own text, without its line to the curve.
    boxes = [Text.get_window_extent(text) for text in display.ax_.texts]
    assert len(boxes) == min(10, len(coefs))
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x1 <= display.figure_.bbox.x1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_labels_are_spread_in_order_inside_the_axes(places):
    step = 1 / 12
    spread = _spread(np.sort(places), step)
    assert (np.diff(spread) >= step - 1e-9).all()
    assert spread[0] >= 0
    assert spread[-1] <= 1 + 1e-9


def test_errors(path, diabetes):
    alphas, coefs = path
    X, y = diabetes
    with pytest.raises(ValueError, match="a row a feature"):
        PathDisplay(alphas[:-1], coefs)
    with pytest.raises(ValueError, match="positive and finite"):
        PathDisplay([1.0, 0.0], np.zeros((2, 2)))
    with pytest.raises(ValueError, match="feature_names"):
        PathDisplay(alphas, coefs, feature_names=["one"])
    with pytest.raises(ValueError, match="both of cv_mean"):
        PathDisplay(alphas, coefs, cv_mean=alphas)
    with pytest.raises(ValueError, match="one value for each"):
        PathDisplay(alphas, coefs, cv_mean=alphas[1:], cv_se=alphas[1:])
    with pytest.raises(NotFittedError):
        PathDisplay.from_estimator(LassoCV(), X, y)
    with pytest.raises(TypeError, match="Lasso has no path"):
        PathDisplay.from_estimator(Lasso().fit(X, y), X, y)


def test_matplotlib_is_not_imported_before_plot():
    code = "import sys, fastreg.display; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
