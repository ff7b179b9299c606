"""The scikit-learn Pipeline that `fastreg fit` fits: columns -> one scale -> model.

The scaler divides and does not centre: the models' intercept is exact without it, sparse columns stay sparse,
and the intercept is that of the columns' own units. Imputing and scaling see all rows, as in glmnet; the
folds are made after them. Only the penalty's strength is chosen by the folds.
"""

from dataclasses import asdict, dataclass

import numpy as np

from fastreg.cli.errors import Failure


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


@dataclass(frozen=True)
class Choices:
    """What the command line asked for.

    Attributes
    ----------
    model : {'lasso', 'ridge', 'elastic-net', 'mlp'}
    alpha : float or None
        None: by cross-validation.
    l1_ratios : tuple of float
        Of the elastic net.
    hidden : tuple of int
        Neurons of a network's hidden layers.
    penalty : {'l1', 'l2', 'l1_l2'}
        Of a network's weights.
    cv : int
    rule : {'min', '1se'}
    seed : int
    """

    model: str
    alpha: float | None = None
    l1_ratios: tuple = (0.5,)
    hidden: tuple = (32,)
    penalty: str = "l1"
    cv: int = 5
    rule: str = "min"
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    alpha : float
    l1_ratio : float or None
        None for networks.
    cv_error, cv_se : float
        Mean squared error (classes: log loss) over folds at `alpha`, and its standard error.
    gap : float or None
        Duality gap over the objective at zero coefficients; networks have none.
    accuracy : float or None
        Share of the test rows whose class is right; None for numbers.
    """

    alpha: float
    l1_ratio: float | None
    cv_error: float
    cv_se: float
    gap: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Summary(Found):
    """What is known of a fit besides its coefficients: what was found, and

    Attributes
    ----------
    model : str
    how : str
        How alpha was found: ``"given"``, or ``"rule ..."``.
    folds, rows : int
    null_error : float
        Of predicting the mean of the target, or the shares of its classes.
    """

    model: str
    how: str
    folds: int
    rows: int
    null_error: float

    as_dict = asdict


def is_classes(y):
    """Whether a target is labels; numbers to predict are always floats."""
    return y.dtype.kind != "f"


def null_error(y):
    """Mean squared error of the mean, or log loss of the shares of the classes."""
    if not is_classes(y):
        return float(np.var(y))
    share = np.unique(y, return_counts=True)[1] / len(y)
    return float(-(share * np.log(share)).sum())


def share_right(model, Z, y, folds):
    """Share of rows whose class is right when their fold is predicted by a fit of the others."""
    from sklearn.model_selection import cross_val_predict

    return float(np.mean(cross_val_predict(model, Z, y, cv=folds) == y))


def make_folds(y, choices):
    """Shuffled folds, of classes in their proportions, as pairs of (train, test).

    Files are often sorted, hence shuffled. A list and no splitter, since what is saved holds no splitter's type.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    splitter = StratifiedKFold if is_classes(y) else KFold
    return list(splitter(choices.cv, shuffle=True, random_state=choices.seed).split(y, y))


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
