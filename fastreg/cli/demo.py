"""``fastreg demo``: lasso paths on real data, printed and drawn; then networks (demo_networks.py)."""

import os
import time
from dataclasses import dataclass

import numpy as np

from fastreg.cli import demo_networks, report
from fastreg.cli.errors import need
from fastreg.cli.files import atomic, check_output

COLUMNS = ["alpha", "non-zeros", "CV error ± se", "gap", "time"]


@dataclass(frozen=True)
class Data:
    """A regression data set with standardised columns.

    Attributes
    ----------
    title, unit : str
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    names : list of str
    """

    title: str
    unit: str
    X: np.ndarray
    y: np.ndarray
    names: list


def diabetes():
    """scikit-learn's diabetes data: disease progression from ten measurements in their own units."""
    from sklearn.datasets import load_diabetes

    raw = load_diabetes(scaled=False)
    return Data("Diabetes (442 × 10)", "disease progression", standardise(raw.data), raw.target, raw.feature_names)


def wide():
    """NCI60 where the package ISLP is installed, else simulated data that says so."""
    return nci60() or simulated()


def nci60():
    """Gene expression of cancer cell lines from the files of the package ISLP, or None.

    The package itself is not imported: that takes torch along, where it is installed.
    """
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("ISLP")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    expression, labels = folder / "NCI60data.npy", folder / "NCI60labs.csv"
    if not (expression.is_file() and labels.is_file()):
        return None
    X = np.load(expression, allow_pickle=False)
    y = np.array(["MELANOMA" in line for line in labels.read_text().splitlines()[1:]], dtype=np.float64)
    names = [f"gene {j}" for j in range(X.shape[1])]
    title = f"NCI60 ({X.shape[0]} × {X.shape[1]})"
    return Data(title, "melanoma (1) against the rest (0)", standardise(X), y, names)


def simulated(n=120, p=5000, n_true=10, seed=0):
    """Columns that follow one another with correlation 0.6, of which `n_true` matter."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
    true = np.sort(rng.choice(p, n_true, replace=False))
    signal = X[:, true] @ rng.choice([-1.0, 1.0], n_true)
    y = signal + 0.3 * signal.std() * rng.standard_normal(n)
    names = [f"x{j}" for j in range(p)]
    for j in true:
        names[j] += " (true)"
    return Data(f"Simulated wide data ({n} × {p}, {n_true} true)", "y", standardise(X), y, names)


def standardise(X):
    """Columns with mean 0 and standard deviation 1, in Fortran order."""
    from sklearn.preprocessing import StandardScaler

    return np.asfortranarray(StandardScaler().fit_transform(X))


# -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """What the demo finds on one data set.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
    coefs : ndarray of shape (n_features, n_alphas)
    mean, se : ndarray of shape (n_alphas,)
        CV error, its standard error.
    at_min, at_1se : int
        Chosen positions on the grid.
    path_time, cv_time : float
        Seconds.
    free_coef : ndarray of shape (n_features,)
        Without a penalty (of minimum norm where there are more columns than rows).
    free_mean, free_se : float
        CV error of that.
    """

    alphas: np.ndarray
    coefs: np.ndarray
    mean: np.ndarray
    se: np.ndarray
    at_min: int
    at_1se: int
    path_time: float
    cv_time: float
    free_coef: np.ndarray
    free_mean: float
    free_se: float


def study(data, n_folds, seed):
    """Fit the path, its cross-validation and the fit without a penalty."""
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold

    from fastreg import LassoCV, lasso_path

    folds = list(KFold(n_folds, shuffle=True, random_state=seed).split(data.X))
    start = time.perf_counter()
    # As in glmnet: with more columns than rows, the end of the path fits the noise.
    eps = 1e-2 if data.X.shape[1] > data.X.shape[0] else 1e-3
    cv = LassoCV(cv=folds, eps=eps, rule="1se").fit(data.X, data.y)
    cv_time = time.perf_counter() - start
    start = time.perf_counter()
    # The columns have mean 0, so centring y stands for the intercept. A small tolerance makes smooth curves.
    alphas, coefs, _ = lasso_path(data.X, data.y - data.y.mean(), alphas=cv.alphas_, tol=1e-6)
    path_time = time.perf_counter() - start
    mean, se = cv.cv_results_["mean_mse"], cv.cv_results_["se_mse"]
    free = LinearRegression()
    errors = [
        np.mean((data.y[test] - free.fit(data.X[train], data.y[train]).predict(data.X[test])) ** 2)
        for train, test in folds
    ]
    return Study(
        alphas=alphas,
        coefs=coefs,
        mean=mean,
        se=se,
        at_min=int(mean.argmin()),
        at_1se=int(np.abs(alphas - cv.alpha_).argmin()),
        path_time=path_time,
        cv_time=cv_time,
        free_coef=free.fit(data.X, data.y).coef_,
        free_mean=float(np.mean(errors)),
        free_se=float(np.std(errors, ddof=1) / np.sqrt(n_folds)),
    )


def path_rows(data, found, n_rows=8):
    """Rows of the table: some alphas and the chosen ones, each fitted on its own for its gap and time."""
    from fastreg import Lasso

    null = 0.5 * np.var(data.y)
    some = np.linspace(0, len(found.alphas) - 1, n_rows).round().astype(int)
    decimals = report.decimals(found.se.min())
    rows = []
    for k in np.unique([*some, found.at_min, found.at_1se]):
        start = time.perf_counter()
        single = Lasso(alpha=found.alphas[k]).fit(data.X, data.y)
        took = time.perf_counter() - start
        mark = " ← min" if k == found.at_min else ""
        mark += " ← 1se" if k == found.at_1se else ""
        rows.append(
            [
                report.number(found.alphas[k]) + mark,
                str(np.count_nonzero(single.coef_)),
                report.plus_minus(found.mean[k], found.se[k], decimals),
                f"{single.dual_gap_ / null:.0e}",
                report.seconds(took),
            ]
        )
    free = report.plus_minus(found.free_mean, found.free_se, decimals)
    rows.append(["no penalty", str(np.count_nonzero(found.free_coef)), free, "", ""])
    return rows


def coefficient_rows(data, found, n_rows=12):
    """The largest coefficients at the chosen alphas beside those without a penalty."""
    at_min, at_1se, free = found.coefs[:, found.at_min], found.coefs[:, found.at_1se], found.free_coef
    order = np.lexsort((-np.abs(free), -np.abs(at_min)))[:n_rows]
    if len(free) > n_rows:
        order = order[at_min[order] != 0]
    columns = (free, at_min, at_1se)
    return [[data.names[j], *("0" if c[j] == 0 else f"{c[j]:.3g}" for c in columns)] for j in order]


def show(out, data, found, rows, n_folds):
    """Print both tables."""
    out.print(f"{data.title}: {data.unit}; columns standardised, {n_folds} folds", style="bold", soft_wrap=True)
    out.print(report.table(COLUMNS, rows, width=out.width, optional=("time", "gap")))
    total = len(found.alphas)
    out.print("gap: duality gap over the objective at zero; time: of that fit alone")
    out.print(f"path of {total} alphas: {report.seconds(found.path_time)}")
    out.print(f"{n_folds} folds × {total} alphas and the final fit: {report.seconds(found.cv_time)}\n")
    lines = coefficient_rows(data, found)
    used = np.count_nonzero(found.coefs[:, found.at_min])
    out.print(
        f"Lasso coefficients per standard deviation ({used} of {len(data.names)} non-zero at min)",
        style="bold",
    )
    free = "no penalty" if len(data.names) < len(data.y) else "minimum norm"
    out.print(report.table(["column", free, "min", "1se"], lines, width=out.width))
    if len(lines) < used:
        out.print(f"... and {used - len(lines)} more")
    out.print()


def draw(studies, path):
    """Write the picture: a column a data set, the path above its CV curve."""
    matplotlib = need("matplotlib", "plot")
    matplotlib.use("Agg")
    plt = need("matplotlib.pyplot", "plot")
    from fastreg.display import PathDisplay

    figure, axes = plt.subplots(
        2,
        len(studies),
        figsize=(7.5 * len(studies), 7.0),
        layout="constrained",
        squeeze=False,
        height_ratios=[2, 1],
    )
    for (data, found), pair in zip(studies, axes.T):
        display = PathDisplay(
            found.alphas,
            found.coefs,
            cv_mean=found.mean,
            cv_se=found.se,
            alpha_min=found.alphas[found.at_min],
            alpha_1se=found.alphas[found.at_1se],
            feature_names=data.names,
        )
        display.plot(pair, title=data.title)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    plt.close(figure)


def run(out, folds, seed):
    """The command; arguments as on the command line."""
    need("rich")
    need("matplotlib", "plot")
    picture = check_output(out, (".png",))
    second = check_output(networks_picture(out), (".png",))
    screen = report.console()
    studies = []
    for load in (diabetes, wide):
        with report.working("fitting"):
            data = load()
            found = study(data, folds, seed)
            rows = path_rows(data, found)
        show(screen, data, found, rows, folds)
        studies.append((data, found))
    with report.working("drawing"):
        draw(studies, picture)
    demo_networks.run(screen, second, seed)
    screen.print(f"pictures: {out}, {networks_picture(out)}", soft_wrap=True)


def networks_picture(out):
    """The name of the second part's picture."""
    stem, ending = os.path.splitext(out)
    return f"{stem}-networks{ending}"
