"""Displays: pictures of fitted models. matplotlib is imported when something is drawn, not before."""

import numpy as np
from scipy import sparse
from scipy.optimize import isotonic_regression
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from fastreg._validation import check_fit_data
from fastreg.linear import ElasticNetCV, LassoCV
from fastreg.model_selection import choose_alpha
from fastreg.penalties.features import FeatureL1L2

__all__ = ["PathDisplay"]

# Coloured curves; the rest of a wide path is drawn thin and grey.
_COLOURED = 10
_MIN_STYLE = {"color": "0.25", "linestyle": "--", "linewidth": 1.0}
_ONE_SE_STYLE = {"color": "0.25", "linestyle": ":", "linewidth": 1.4}


class PathDisplay:
    """Coefficients along a grid of alphas, with the cross-validated error below where it is known.

    Alpha falls from left to right on a logarithmic axis: models grow to the right, where the largest
    coefficients are named. Above the path stands the number of non-zero coefficients. Use `from_estimator` or
    `from_path`.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Positive, in any order.
    coefs : ndarray of shape (n_features, n_alphas)
    cv_mean, cv_se : ndarray of shape (n_alphas,), default=None
        Mean over folds of the squared error, and its standard error.
    alpha_min, alpha_1se : float, default=None
        Alphas to mark: of the smallest CV error, and of the one-standard-error rule.
    feature_names : sequence of str, default=None
        ``x0``, ``x1``, ... by default.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the path.
    cv_ax_ : matplotlib Axes or None
        With the CV error.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        A curve a feature that is ever non-zero; its label is the feature's name.

    Raises
    ------
    ValueError
        Shapes that don't match, or alphas that are not positive.
    """

    def __init__(self, alphas, coefs, *, cv_mean=None, cv_se=None, alpha_min=None, alpha_1se=None, feature_names=None):
        alphas = np.asarray(alphas, dtype=np.float64)
        coefs = coefs.toarray() if sparse.issparse(coefs) else np.asarray(coefs, dtype=np.float64)
        if alphas.ndim != 1 or coefs.ndim != 2 or coefs.shape[1] != alphas.shape[0] or not alphas.size:
            raise ValueError(
                f"coefs of shape {coefs.shape} must have a row a feature and a column an alpha; alphas has "
                f"shape {alphas.shape}."
            )
        if not (np.isfinite(alphas).all() and (alphas > 0).all()):
            raise ValueError("alphas must be positive and finite: their axis is logarithmic.")
        if (cv_mean is None) != (cv_se is None):
            raise ValueError("Give both of cv_mean and cv_se, or none.")
        order = np.argsort(-alphas, kind="stable")
        self.alphas, self.coefs = alphas[order], coefs[:, order]
        self.cv_mean, self.cv_se = (_along(v, order, "cv_mean and cv_se") for v in (cv_mean, cv_se))
        self.alpha_min, self.alpha_1se = alpha_min, alpha_1se
        if feature_names is None:
            feature_names = [f"x{j}" for j in range(coefs.shape[0])]
        if len(feature_names) != coefs.shape[0]:
            raise ValueError(f"There are {len(feature_names)} feature_names for {coefs.shape[0]} rows of coefs.")
        self.feature_names = [str(name) for name in feature_names]

    @classmethod
    def from_path(cls, alphas, coefs, *, feature_names=None, ax=None, **kwargs):
        """Draw what `lasso_path` or `enet_path` returned.

        Parameters
        ----------
        alphas : array-like of shape (n_alphas,)
        coefs : array-like of shape (n_features, n_alphas)
        feature_names : sequence of str, default=None
        ax : see `plot`
        **kwargs
            Of `plot`.

        Returns
        -------
        PathDisplay
        """
        return cls(alphas, coefs, feature_names=feature_names).plot(ax, **kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sample_weight=None, feature_names=None, ax=None, **kwargs):
        """Draw the path of a cross-validated estimator on the data it was fitted on.

        The estimator keeps its errors but not the coefficients of the whole path, which is solved once more,
        on its own grid and with its own penalty factors, bounds and standardisation.

        Parameters
        ----------
        estimator : LassoCV or ElasticNetCV
            Fitted. Of several values of l1_ratio, the chosen one is drawn.
        X : array-like or sparse of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        feature_names : sequence of str, default=None
            `estimator.feature_names_in_` where it has them.
        ax : see `plot`
        **kwargs
            Of `plot`.

        Returns
        -------
        PathDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
        TypeError
            The estimator has no path.
        """
        check_is_fitted(estimator)
        if not isinstance(estimator, LassoCV | ElasticNetCV):
            raise TypeError(f"{type(estimator).__name__} has no path; use LassoCV or ElasticNetCV, or from_path.")
        alphas, coefs, curve = _solve_again(estimator, X, y, sample_weight)
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        return cls(alphas, coefs, feature_names=feature_names, **curve).plot(ax, **kwargs)

    def plot(self, ax=None, *, n_labels=_COLOURED, title=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, or pair of Axes, default=None
            A pair is for the path and the CV error; a single one is for the path alone. By default a new
            figure is made, with both if there are errors.
        n_labels : int, default=10
            The curves to colour and name: those with the largest coefficients on the path.
        title : str, default=None

        Returns
        -------
        PathDisplay
            Itself.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            ax = _new_axes(plt, self.cv_mean is not None)
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        self.ax_ = axes[0]
        self.cv_ax_ = axes[1] if len(axes) > 1 and self.cv_mean is not None else None
        self.figure_ = self.ax_.figure
        self._draw_path(n_labels)
        if self.cv_ax_ is not None:
            self._draw_errors()
            self.ax_.tick_params(labelbottom=False)
        lowest = self.ax_ if self.cv_ax_ is None else self.cv_ax_
        lowest.set_xlabel("alpha")
        if self.alpha_min is not None or self.alpha_1se is not None:
            lowest.legend(loc="best", fontsize="small", frameon=False, handles=self._markers)
        if title is not None:
            self.ax_.set_title(title, loc="left", fontweight="bold", pad=8)
        return self

    def _draw_path(self, n_labels):
        ax, coefs = self.ax_, self.coefs
        used = np.flatnonzero(coefs.any(axis=1))
        size = np.abs(coefs).max(axis=1)
        ranked = used[np.argsort(-size[used], kind="stable")]
        named = ranked[:n_labels]
        self.lines_ = []
        # The grey ones first, so that the named ones lie above them.
        for j in (*ranked[n_labels:], *named[::-1]):
            (line,) = ax.plot(self.alphas, coefs[j], color="0.75", linewidth=0.6, label=self.feature_names[j])
            self.lines_.append(line)
        for place, line in enumerate(self.lines_[::-1][: len(named)]):
            line.set(color=f"C{place % 10}", linewidth=1.6)
        ax.axhline(0.0, color="0.4", linewidth=0.8, zorder=0)
        ax.set_ylabel("coefficient")
        _alpha_axis(ax, self.alphas)
        self._mark_alphas(ax)
        self._count_axis(ax)
        _name_curves(ax, [(coefs[j, -1], self.feature_names[j], f"C{k % 10}") for k, j in enumerate(named)])

    def _draw_errors(self):
        ax = self.cv_ax_
        ax.plot(self.alphas, self.cv_mean, color="C3", linewidth=1.6)
        ax.fill_between(
            self.alphas,
            self.cv_mean - self.cv_se,
            self.cv_mean + self.cv_se,
            color="C3",
            alpha=0.2,
            linewidth=0,
        )
        ax.set_ylabel("CV error ± se")
        _alpha_axis(ax, self.alphas)
        self._mark_alphas(ax)

    def _mark_alphas(self, ax):
        self._markers = []
        for alpha, rule, style in (
            (self.alpha_min, "min", _MIN_STYLE),
            (self.alpha_1se, "1se", _ONE_SE_STYLE),
        ):
            if alpha is not None:
                self._markers.append(ax.axvline(alpha, label=f"{rule}: alpha {alpha:.3g}", zorder=1, **style))

    def _count_axis(self, ax):
        """The number of non-zero coefficients along the top."""
        counts = np.count_nonzero(self.coefs, axis=0)
        at = np.unique(np.linspace(0, len(self.alphas) - 1, min(7, len(self.alphas))).round().astype(int))
        top = ax.secondary_xaxis("top")
        top.set_xticks(self.alphas[at], [str(counts[k]) for k in at])
        top.minorticks_off()
        top.tick_params(length=2, labelsize="small")
        top.set_xlabel("non-zero coefficients", fontsize="small")


def _along(values, order, name):
    if values is None:
        return None
    values = np.asarray(values, dtype=np.float64)
    if values.shape != order.shape:
        raise ValueError(f"{name} of shape {values.shape} must have one value for each of the {len(order)} alphas.")
    return values[order]


def _new_axes(plt, errors):
    if not errors:
        return plt.subplots(figsize=(7.0, 4.5), layout="constrained")[1]
    figure, axes = plt.subplots(2, 1, figsize=(7.0, 6.5), layout="constrained", sharex=True, height_ratios=[2, 1])
    return axes


def _alpha_axis(ax, alphas):
    ax.set_xscale("log")
    low, high = alphas[-1], alphas[0]
    margin = (high / low) ** 0.02
    # One alpha has no range of its own.
    ax.set_xlim(*((high * margin, low) if high > low else (2 * high, high / 2)))
    ax.spines["right"].set_visible(False)


def _name_curves(ax, ends):
    """Write names at the right ends of curves, moved apart where they would overlap.

    Parameters
    ----------
    ax : Axes
    ends : list of (float, str, colour)
        Height of the end, in data units.
    """
    if not ends:
        return
    low, high = ax.get_ylim()
    ends = sorted(ends)
    height = ax.get_window_extent().height / ax.figure.dpi * 72  # points
    step = min(11.0 / height, 1.0 / len(ends))  # of 8 point text
    places = _spread(np.array([(value - low) / (high - low) for value, _, _ in ends]), step)
    for place, (value, name, colour) in zip(places, ends):
        ax.annotate(
            name,
            xy=(1.0, value),
            xycoords=ax.get_yaxis_transform(),
            xytext=(1.03, place),
            textcoords="axes fraction",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0},
        )


def _spread(places, step):
    """Move sorted places in [0, 1] apart to at least `step`, by the least sum of squares."""
    shift = step * np.arange(len(places))
    return np.clip(isotonic_regression(places - shift).x, 0.0, max(0.0, 1.0 - shift[-1])) + shift


def _solve_again(estimator, X, y, sample_weight):
    """The path of a fitted estimator on its own grid, and its CV curve.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
    coefs : ndarray of shape (n_features, n_alphas)
    curve : dict
        Keyword arguments of `PathDisplay`.
    """
    results = estimator.cv_results_
    ratios = results["l1_ratios"]
    row = int(np.abs(ratios - getattr(estimator, "l1_ratio_", 1.0)).argmin())
    alphas, mean, se = (np.atleast_2d(results[name])[row] for name in ("alphas", "mean_mse", "se_mse"))
    fresh = clone(estimator)  # checking the data sets attributes, and this is not the caller's wish
    X, y, sample_weight = check_fit_data(fresh, X, y, sample_weight)
    penalty = FeatureL1L2(X.shape[1], float(ratios[row]), *fresh._bounds(X.shape[1]))
    design = fresh._design(X, sample_weight)
    # Tighter than the fit need be: curves are smooth only near the optimum.
    fresh.tol = min(fresh.tol, 1e-6)
    path = fresh._stages(fresh._solver(y.ravel()), design, alphas, penalty)
    at_min, at_1se = (choose_alpha(mean[None], se[None], rule)[1] for rule in ("min", "1se"))
    curve = {"cv_mean": mean, "cv_se": se, "alpha_min": alphas[at_min], "alpha_1se": alphas[at_1se]}
    return alphas, path.dense_coefs().T, curve
