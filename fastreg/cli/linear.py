"""What `fastreg fit` fits for lasso, elastic net and ridge: least squares, or logistic regression for classes."""

import numpy as np

from fastreg.cli import report
from fastreg.cli.pipeline import Found, is_classes, null_error, share_right

NAMES = {"lasso": "LassoCV", "elastic-net": "ElasticNetCV", "ridge": "RidgeCV"}
N_ALPHAS = 100


def fit(Z, y, choices, folds):
    """The cross-validated estimator, fitted.

    Parameters
    ----------
    Z : ndarray or sparse of shape (n, p)
        Columns on one scale.
    y : ndarray of shape (n,)
        Floats, or labels.
    choices : Choices
    folds : list of (train, test)

    Returns
    -------
    estimator
    """
    model = _classifier(Z, y, choices, folds) if is_classes(y) else _regressor(Z, choices, folds)
    model.fit(Z, y)
    if is_classes(y):
        del model.coefs_paths_  # folds × alphas × columns: not for the file
    return model.set_params(cv=choices.cv)


def _regressor(Z, choices, folds):
    import fastreg

    settings = {"cv": folds, "rule": choices.rule}
    if choices.model == "ridge":
        alphas = ridge_grid(*Z.shape) if choices.alpha is None else np.array([choices.alpha])
        # Its default score for folds is R², whose best alpha is not that of the error which is printed.
        return fastreg.RidgeCV(alphas=alphas, scoring="neg_mean_squared_error", **settings)
    if choices.model == "elastic-net":
        ratios = choices.l1_ratios
        settings["l1_ratio"] = list(ratios) if len(ratios) > 1 else ratios[0]
    alphas = N_ALPHAS if choices.alpha is None else np.array([choices.alpha])
    return getattr(fastreg, NAMES[choices.model])(alphas=alphas, **settings)


def _classifier(Z, y, choices, folds):
    from fastreg import LogisticRegressionCV

    ratios = {"lasso": (1.0,), "ridge": (0.0,)}.get(choices.model, choices.l1_ratios)
    alphas = logistic_grid(Z, y, min(ratios)) if choices.alpha is None else np.array([choices.alpha])
    with np.errstate(divide="ignore"):  # alpha 0 is an infinite C
        Cs = 1 / (len(y) * alphas)
    return LogisticRegressionCV(
        Cs=Cs, l1_ratios=ratios, cv=folds, rule=choices.rule, scoring="neg_log_loss", use_legacy_attributes=False,
        tol=1e-6,  # at 1e-4 test errors differ in their third digit
    )  # fmt: skip


def ridge_grid(n_rows, n_columns):
    """Alphas for a ridge on standardised columns, in units of scikit-learn's Ridge.

    The mean eigenvalue of X'X / n is 1 and the largest at most p, so penalties of 10 p n to p n / 1e5 go from
    nearly zero coefficients to nearly least squares.
    """
    return n_rows * n_columns * np.logspace(1, -5, N_ALPHAS)


def logistic_grid(Z, y, l1_ratio):
    """Alphas for a logistic regression, times the mean log loss: from where all coefficients are 0, as LassoCV's."""
    if l1_ratio == 0:
        return ridge_grid(*Z.shape) / (4 * len(y))  # the loss is curved by 1/4 at most where a square is by 1
    indicators = (y[:, None] == np.unique(y)).astype(np.float64)
    largest = np.abs(Z.T @ (indicators - indicators.mean(axis=0))).max() / (len(y) * l1_ratio)
    return (largest or 1.0) * np.logspace(0, -3, N_ALPHAS)


def found(model, Z, y, choices, folds):
    """What the search found, as `Found`."""
    if is_classes(y):
        from fastreg import LogisticRegression

        scores = model.scores_[:, list(model.l1_ratios_).index(model.l1_ratio_)]
        alphas, mean = 1 / (len(y) * model.Cs_), -scores.mean(axis=0)
        se = scores.std(axis=0, ddof=1) / np.sqrt(len(folds))
        at = int(np.flatnonzero(model.Cs_ == model.C_)[0])
        alpha, l1_ratio = alphas[at], model.l1_ratio_
        accuracy = share_right(LogisticRegression(C=model.C_, l1_ratio=l1_ratio), Z, y, folds)
    else:
        curve = model.cv_results_
        ratios = np.atleast_1d(curve["l1_ratios"])
        l1_ratio = getattr(model, "l1_ratio_", 1.0 if choices.model == "lasso" else 0.0)
        row = int(np.abs(ratios - l1_ratio).argmin())
        alphas, mean, se = (np.atleast_2d(curve[key])[row] for key in ("alphas", "mean_mse", "se_mse"))
        alpha, at, accuracy = model.alpha_, int(np.abs(alphas - model.alpha_).argmin()), None
    if len(alphas) > 1 and alphas[at] == alphas.min():
        report.note("the smallest alpha of the grid was chosen: the data may need no penalty, or a smaller --alpha")
    null = null_error(y)
    if not is_classes(y):
        # The objective at zero coefficients: Ridge's is the sum of squares, the others' half their mean.
        null *= len(y) if choices.model == "ridge" else 0.5
    return Found(float(alpha), float(l1_ratio), float(mean[at]), float(se[at]), float(model.dual_gap_) / null, accuracy)


def facts(model, summary):
    """Rows about a fitted model: of what was fitted and how well."""
    coef = np.atleast_2d(model.coef_)
    strength = f"alpha {report.number(summary.alpha)}"
    if summary.model == "elastic-net":
        strength += f", l1_ratio {report.number(summary.l1_ratio)}"
    rows = [["penalty", f"{strength} ({summary.how})"]]
    used = np.count_nonzero(coef.any(axis=0))
    count = f"{np.count_nonzero(coef)} of {coef.size}"
    rows.append(["non-zeros", count if len(coef) == 1 else f"{count}, in {used} of {coef.shape[1]} columns"])
    rows.append(["gap", f"{summary.gap:.1e} of the objective at zero"])
    return rows


def details(model):
    """More rows about a fitted model, for who looks into it."""
    size = f"L1 {report.number(np.abs(model.coef_).sum())}, L2 {report.number(np.linalg.norm(model.coef_))} (per sd)"
    return [["norms", size], ["intercept", ", ".join(map(report.number, np.atleast_1d(model.intercept_)))]]


def show(out, fitted, top):
    """Print the largest coefficients of a fitted pipeline."""
    model, scale = fitted.named_steps["model"], fitted.named_steps["scale"].scale_
    coef, classes = np.atleast_2d(model.coef_), [str(label) for label in getattr(model, "classes_", ())]
    names = fitted[:-1].get_feature_names_out()
    size = np.abs(coef).max(axis=0)
    used = np.count_nonzero(size)
    order = np.argsort(-size, kind="stable")[: min(top, used)]
    if not used:
        out.print(f"every coefficient is zero: the model predicts the {'shares of the classes' if classes else 'mean'}")
        return
    towards = f", towards {classes[1]}" if len(classes) == 2 else ""
    out.print(f"\nLargest {len(order)} of {used} non-zero coefficients{towards}", style="bold")
    if len(coef) > 1:
        columns, lines = classes, [[str(names[j]), *map(report.number, coef[:, j])] for j in order]
    else:
        columns = ["per sd", "per unit"]
        lines = [[str(names[j]), report.number(coef[0, j]), report.number(coef[0, j] / scale[j])] for j in order]
    # On a narrow terminal the last ones are left out.
    out.print(report.table(["column", *columns], lines, width=out.width, optional=columns[:0:-1]))
