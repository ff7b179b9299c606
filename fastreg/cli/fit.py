"""``fastreg fit``."""

import time

import numpy as np

from fastreg.cli import io, models, network, pipeline, report
from fastreg.cli.errors import Failure, need
from fastreg.cli.files import check_output


def run(data, target, model, alpha, l1_ratio, hidden, penalty, cv, rule, drop, seed, out):
    """Read, fit, print, save; arguments as on the command line."""
    alpha = pipeline.parse_alpha(alpha)
    if l1_ratio and model != "elastic-net":
        raise Failure(f"--l1-ratio is for --model elastic-net; leave it out with {model}")
    if model != "mlp":
        for option, value in (("--hidden", hidden), ("--penalty", penalty)):
            if value is not None:
                raise Failure(f"{option} is for --model mlp; leave it out with {model}")
    hidden = network.parse_hidden(hidden or "32")
    need("rich")
    if out is not None:
        need("skops")
        file = check_output(out, models.SUFFIX, inputs=[data])
    with report.working(f"reading {data}"):
        X, y, kinds, target = read(data, target, drop)
    if cv > len(y):
        raise Failure(f"--cv {cv}: {data} has only {len(y)} rows; give fewer folds or more rows")
    if y.min() == y.max():
        raise Failure(f"{data}: target {target!r} is the same in every row; choose another --target")
    start = time.perf_counter()
    with report.working(f"fitting {model}, {cv} folds"):
        choices = {"l1_ratios": l1_ratio or (0.5,), "hidden": hidden, "penalty": penalty or "l1"}
        fitted = fit_pipeline(X, y, kinds, model, alpha, choices, cv, rule, seed)
    took = time.perf_counter() - start
    how = "given" if alpha is not None else f"rule {rule}"
    summary = pipeline.summarise(model, fitted.named_steps["model"], how, cv, y)
    # Saved first: if that fails, the one line that says so is all.
    if out is not None:
        models.save(file, fitted, target, kinds, summary)
    show(summary, fitted, target, took)
    if out is not None:
        report.console().print(f"saved to {out}", soft_wrap=True)


def read(data, target, drop):
    """Features and target of a file.

    Returns
    -------
    X : DataFrame, ndarray or sparse
    y : ndarray of shape (n,)
    kinds : dict of str to bool, or None
        See `fastreg.cli.io.tidy`.
    target : str
    """
    if io.is_matrix(data):
        if drop:
            raise Failure(f"--drop needs named columns; {data} has none")
        if data.lower().endswith(io.SVMLIGHT) and target not in (None, "y"):
            raise Failure("an svmlight file holds its own target; leave --target out")
        target = target or "y"
        X, y = io.read_matrix(data, target)
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            empty = np.isnan(X).all(axis=0)
            if empty.any():
                raise Failure(f"{data}: column {int(empty.argmax())} of X has no values; remove it")
        return X, y, None, target
    table = io.read_table(data)
    y = io.table_target(table, target, data)
    for name in drop:
        if name not in table.columns or name == target:
            advice = io.meant(name, table.columns.drop(target)) or "correct the name (one --drop a column)"
            raise Failure(f"--drop {name}: {data} has no such column besides the target; {advice}")
    table = table.drop(columns=[target, *drop])
    if not table.shape[1]:
        raise Failure(f"{data}: no column is left besides the target {target!r}")
    for name in table.columns[table.isna().all()]:
        raise Failure(f"{data}: column {name!r} has no values; leave it out with --drop {name}")
    X, kinds = io.tidy(table, data)
    for name, numeric in kinds.items():
        if name.startswith("Unnamed: "):  # pandas' word, and most often pandas' row numbers
            report.note(f"a column without a name is called {name!r}; --drop it if it numbers the rows")
        if not numeric:
            note_text(X[name])
    return X, y, kinds, target


def note_text(column):
    """Say where a column of text may not be what was meant."""
    name, values = column.name, column.nunique()
    if 0.5 < io.share_of_numbers(column) < 1:
        report.note(f"column {name!r} is text, as {io.example(column)} is no number; empty cells are missing ones")
    elif values > max(100, len(column) // 2):
        report.note(f"text column {name!r} has {values} different values, a column each; --drop it if a name")


def fit_pipeline(X, y, kinds, name, alpha, choices, cv, rule, seed):
    """Fit the whole pipeline.

    Parameters
    ----------
    X, y, kinds
        As `read` gives them.
    name : str
    alpha : float or None
    choices : dict
        'l1_ratios' of the elastic net, 'hidden' and 'penalty' of a network.
    cv : int
    rule : str
    seed : int

    Returns
    -------
    sklearn.pipeline.Pipeline
        With steps ``columns``, ``scale`` and ``model``.
    """
    from sklearn.model_selection import KFold
    from sklearn.pipeline import Pipeline

    # Files are often sorted, so rows are shuffled into folds. The split is done here and not by the estimator
    # since its `cv` is saved with it, and a splitter is not among the types that a model file may hold.
    folds = list(KFold(cv, shuffle=True, random_state=seed).split(y))
    prepare = Pipeline(pipeline.preprocessing(kinds))
    Z = prepare.fit_transform(X)
    if name == "mlp":
        model = network.make_model(alpha, choices["hidden"], choices["penalty"], rule, folds, seed)
        model.fit(Z, y)
        model.set_params(regressor__cv=cv)
        model.regressor_.set_params(cv=cv)
    else:
        model = pipeline.make_model(name, alpha, choices["l1_ratios"], rule, folds, Z.shape)
        model.fit(Z, y)
        model.set_params(cv=cv)
    return Pipeline([*prepare.steps, ("model", model)])


def show(summary, fitted, target, took):
    """Print what was chosen."""
    out = report.console()
    inner = network.network_of(fitted.named_steps["model"])
    if inner is not None:
        rows = [
            ["model", f"{summary.model} for {target}, {summary.rows} rows, {inner.n_features_in_} columns"],
            ["layers", network.size_text(inner)],
            ["penalty", f"{inner.penalty}, alpha {report.number(summary.alpha)} ({summary.how})"],
            ["CV error", error_text(summary)],
            ["non-zeros", network.weights_text(inner)],
            ["time", report.seconds(took)],
        ]
        out.print(report.facts(rows))
        return
    coef = fitted.named_steps["model"].coef_
    strength = f"alpha {report.number(summary.alpha)}"
    if summary.model == "elastic-net":
        strength += f", l1_ratio {report.number(summary.l1_ratio)}"
    rows = [
        ["model", f"{summary.model} for {target}, {summary.rows} rows, {len(coef)} columns"],
        ["penalty", f"{strength} ({summary.how})"],
        ["CV error", error_text(summary)],
        ["non-zeros", f"{np.count_nonzero(coef)} of {len(coef)}"],
        ["gap", f"{summary.gap:.1e} of the objective at zero"],
        ["time", report.seconds(took)],
    ]
    out.print(report.facts(rows))


def error_text(summary):
    """The cross-validated error in one line."""
    error = report.plus_minus(summary.cv_error, summary.cv_se, report.decimals(summary.cv_se))
    return f"{error} mean squared, R² {summary.r2:.3f} ({summary.folds} folds)"
