"""The scikit-learn Pipeline that `fastreg fit` fits: columns -> one scale -> model.

The scaler divides and does not centre: the models' intercept is exact without it, sparse columns stay sparse,
and the intercept is that of the columns' own units. Imputing and scaling see all rows, as in glmnet; the
folds are made after them. Only the penalty's strength is chosen by the folds.
"""

from dataclasses import asdict, dataclass

import numpy as np

from fastreg.cli import network
from fastreg.cli.errors import Failure

NAMES = {"lasso": "LassoCV", "elastic-net": "ElasticNetCV", "ridge": "RidgeCV"}


def preprocessing(kinds):
    """The steps before the model.

    Parameters
    ----------
    kinds : dict of str to bool, or None
        Column name to whether it is numeric; None for a matrix.

    Returns
    -------
    list of (str, transformer)
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    impute = SimpleImputer(keep_empty_features=True)
    scale = StandardScaler(with_mean=False)
    if kinds is None:
        return [("columns", impute), ("scale", scale)]
    numbers = [name for name, numeric in kinds.items() if numeric]
    texts = [name for name, numeric in kinds.items() if not numeric]
    # A missing text is a value of its own: the encoder gives it its own column.
    encode = OneHotEncoder(handle_unknown="ignore")
    parts = [("numbers", impute, numbers), ("texts", encode, texts)]
    columns = ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)
    return [("columns", columns), ("scale", scale)]


def ridge_grid(n_rows, n_columns, n_alphas=100):
    """Alphas for a ridge on standardised columns, in units of scikit-learn's Ridge.

    The mean eigenvalue of X'X / n is 1 and the largest at most p, so penalties of 10 p n to p n / 1e5 go from
    nearly zero coefficients to nearly least squares.
    """
    return n_rows * n_columns * np.logspace(1, -5, n_alphas)


@dataclass(frozen=True)
class Summary:
    """What is known of a fit besides its coefficients.

    Attributes
    ----------
    model : str
    how : str
        How alpha was found: ``"given"``, or ``"rule ..."``.
    alpha : float
    l1_ratio : float or None
    cv_error, cv_se : float
        Mean squared error over folds at `alpha`, and its standard error.
    folds, rows : int
    variance : float
        Of the target: the error of predicting its mean.
    gap : float or None
        Duality gap over the objective at zero coefficients; networks have none, and no l1_ratio.
    """

    model: str
    how: str
    alpha: float
    l1_ratio: float | None
    cv_error: float
    cv_se: float
    folds: int
    rows: int
    variance: float
    gap: float | None

    @property
    def r2(self):
        """Share of the variance explained in cross-validation."""
        return 1.0 - self.cv_error / self.variance

    as_dict = asdict


def parse_alpha(text):
    """None for ``auto``, else a positive number (0 is no penalty)."""
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value >= 0):
        raise Failure(f"--alpha {text}: give auto or a number that is not negative, for example --alpha 0.1")
    return value


def make_model(name, alpha, l1_ratios, rule, folds, shape):
    """The cross-validated estimator.

    Parameters
    ----------
    name : {'lasso', 'elastic-net', 'ridge'}
    alpha : float or None
        None: a grid.
    l1_ratios : tuple of float
    rule : {'min', '1se'}
    folds : list of (train, test)
    shape : tuple of int
        Rows and columns of what the model will see.

    Returns
    -------
    estimator
    """
    import fastreg

    cls = getattr(fastreg, NAMES[name])
    settings = {"cv": folds, "rule": rule}
    if name == "ridge":
        alphas = ridge_grid(*shape) if alpha is None else np.array([alpha])
        # Its default score for folds is R², whose best alpha is not that of the error which is printed.
        return cls(alphas=alphas, scoring="neg_mean_squared_error", **settings)
    if name == "elastic-net":
        settings["l1_ratio"] = list(l1_ratios) if len(l1_ratios) > 1 else l1_ratios[0]
    return cls(alphas=100 if alpha is None else np.array([alpha]), **settings)


def summarise(name, model, how, n_folds, y):
    """The `Summary` of a fitted model."""
    if name == "mlp":
        error, se = network.errors(model, y)
        return Summary(
            model=name,
            how=how,
            alpha=model.regressor_.alpha_,
            l1_ratio=None,
            cv_error=error,
            cv_se=se,
            folds=n_folds,
            rows=len(y),
            variance=float(np.var(y)),
            gap=None,
        )
    curve = model.cv_results_
    ratios = np.atleast_1d(curve["l1_ratios"])
    l1_ratio = float(getattr(model, "l1_ratio_", 1.0 if name == "lasso" else 0.0))
    row = int(np.abs(ratios - l1_ratio).argmin())
    alphas, mean, se = (np.atleast_2d(curve[key])[row] for key in ("alphas", "mean_mse", "se_mse"))
    at = int(np.abs(alphas - model.alpha_).argmin())
    if len(alphas) > 1 and alphas[at] == alphas.min():
        from fastreg.cli.report import note

        note("the smallest alpha of the grid was chosen: the data may need no penalty, or a smaller --alpha")
    variance = float(np.var(y))
    # The objective at zero coefficients: Ridge's is the sum of squares, the others' half their mean.
    null = len(y) * variance if name == "ridge" else 0.5 * variance
    return Summary(
        model=name,
        how=how,
        alpha=float(model.alpha_),
        l1_ratio=l1_ratio,
        cv_error=float(mean[at]),
        cv_se=float(se[at]),
        folds=n_folds,
        rows=len(y),
        variance=variance,
        gap=float(model.dual_gap_) / null,
    )
