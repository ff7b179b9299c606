"""``fastreg fit``."""

import time

import numpy as np

from fastreg.cli import io, linear, models, network, pipeline, report
from fastreg.cli.errors import Failure, need
from fastreg.cli.files import check_output


def run(data, target, task, model, alpha, l1_ratio, hidden, penalty, cv, rule, drop, seed, out):
    """Read, fit, print, save; arguments as on the command line."""
    alpha = pipeline.parse_alpha(alpha)
    if l1_ratio and model != "elastic-net":
        raise Failure(f"--l1-ratio is for --model elastic-net; leave it out with {model}")
    if model != "mlp":
        for option, value in (("--hidden", hidden), ("--penalty", penalty)):
            if value is not None:
                raise Failure(f"{option} is for --model mlp; leave it out with {model}")
    choices = pipeline.Choices(
        model, alpha, l1_ratio or (0.5,), network.parse_hidden(hidden or "32"), penalty or "l1", cv, rule, seed
    )
    need("rich")
    if out is not None:
        need("skops")
        file = check_output(out, models.SUFFIX, inputs=[data])
    with report.working(f"reading {data}"):
        X, y, kinds, target = read(data, target, drop, task)
    check_rows(y, choices.cv, data, target)
    if task == "auto" and not pipeline.is_classes(y) and len(np.unique(y)) == 2:
        report.note(f"target {target!r} has two values only; --task classification takes them for classes")
    start = time.perf_counter()
    with report.working(f"fitting {model}, {cv} folds"):
        fitted, summary = fit_pipeline(X, y, kinds, choices)
    took = time.perf_counter() - start
    # Saved first: if that fails, the one line that says so is all.
    if out is not None:
        models.save(file, fitted, target, kinds, summary)
    report.console().print(report.facts([*facts(summary, fitted, target), ["time", report.seconds(took)]]))
    if out is not None:
        report.console().print(f"saved to {out}", soft_wrap=True)


def check_rows(y, cv, data, target):
    """Refuse a target that folds can't be made of."""
    if cv > len(y):
        raise Failure(f"--cv {cv}: {data} has only {len(y)} rows; give fewer folds or more rows")
    values, count = np.unique(y, return_counts=True)
    if len(values) == 1:
        raise Failure(f"{data}: target {target!r} is the same in every row; choose another --target")
    if pipeline.is_classes(y) and count.min() == 1:
        rare = str(values[count.argmin()])
        raise Failure(f"{data}: class {rare!r} of target {target!r} has one row only; leave that row out or give more")


def read(data, target, drop, task):
    """Features and target of a file.

    Returns
    -------
    X : DataFrame, ndarray or sparse
    y : ndarray of shape (n,)
        Floats, or labels: see `fastreg.cli.io.check_target`.
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
        X, y = io.read_matrix(data, target, task)
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            empty = np.isnan(X).all(axis=0)
            if empty.any():
                raise Failure(f"{data}: column {int(empty.argmax())} of X has no values; remove it")
        return X, y, None, target
    table = io.read_table(data)
    y = io.table_target(table, target, data, task)
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


def fit_pipeline(X, y, kinds, choices):
    """Fit the whole pipeline.

    Parameters
    ----------
    X, y, kinds
        As `read` gives them.
    choices : Choices

    Returns
    -------
    sklearn.pipeline.Pipeline
        With steps ``columns``, ``scale`` and ``model``.
    Summary
    """
    from sklearn.pipeline import Pipeline

    folds = pipeline.make_folds(y, choices)
    prepare = Pipeline(pipeline.preprocessing(kinds))
    Z = prepare.fit_transform(X)
    family = family_of(choices.model)
    model = family.fit(Z, y, choices, folds)
    found = family.found(model, Z, y, choices, folds)
    summary = pipeline.Summary(
        **vars(found),
        model=choices.model,
        how="given" if choices.alpha is not None else f"rule {choices.rule}",
        folds=choices.cv,
        rows=len(y),
        null_error=pipeline.null_error(y),
    )
    return Pipeline([*prepare.steps, ("model", model)]), summary


def family_of(name):
    """The module that fits and shows a model."""
    return network if name == "mlp" else linear


def facts(summary, fitted, target):
    """Rows of what was fitted and chosen."""
    model = fitted.named_steps["model"]
    columns = fitted.named_steps["scale"].n_features_in_
    rows = [["model", f"{summary.model} for {target}, {summary.rows} rows, {columns} columns"]]
    if hasattr(model, "classes_"):
        names = [str(label) for label in model.classes_]
        shown = names if len(names) <= 10 else [*names[:9], "...", names[-1]]
        rows.append(["classes", f"{len(names)}: {', '.join(shown)}"])
    return [*rows, *family_of(summary.model).facts(model, summary), ["CV error", error_text(summary)]]


def error_text(summary):
    """The cross-validated error in one line."""
    error = report.plus_minus(summary.cv_error, summary.cv_se, report.decimals(summary.cv_se))
    if summary.accuracy is None:
        quality = f"mean squared, R² {1 - summary.cv_error / summary.null_error:.3f}"
    else:
        quality = f"log loss (shares of the classes: {summary.null_error:.3f}), {100 * summary.accuracy:.1f} % right"
    return f"{error} {quality} ({summary.folds} folds)"
