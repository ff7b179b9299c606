"""``fastreg predict``."""

import sys

from fastreg.cli import io, models, report
from fastreg.cli.errors import Failure, need
from fastreg.cli.files import atomic, check_output


def run(model, data, probabilities, out):
    """Read both files, predict, write; arguments as on the command line."""
    need("rich")
    if out is not None:
        file = check_output(out, io.WRITABLE, inputs=[model, data])
    with report.working(f"reading {data}"):
        content = models.load(model)
        fitted = content["pipeline"]
        if probabilities and not hasattr(fitted, "predict_proba"):
            raise Failure(f"--probabilities: {model} predicts numbers, not classes; leave it out")
        X = read(data, content["kinds"], fitted.named_steps["columns"].n_features_in_)
        if content["kinds"] is not None:
            note_new_values(X, fitted)
    with report.working("predicting"):
        values = {"prediction": fitted.predict(X)}
        if probabilities:
            names = [f"probability of {label}" for label in fitted.classes_]
            values |= dict(zip(names, fitted.predict_proba(X).T, strict=True))
    if out is None:
        io.write_predictions(values, sys.stdout)
        return
    with atomic(file) as temporary:
        io.write_predictions(values, temporary)
    report.console().print(f"{len(values['prediction'])} predictions of {content['target']} in {out}", soft_wrap=True)


def read(data, kinds, n_features):
    """The features that a model needs, as at fit.

    Parameters
    ----------
    data : str
    kinds : dict of str to bool, or None
        Of the fit.
    n_features : int

    Returns
    -------
    DataFrame, ndarray or sparse
    """
    if io.is_matrix(data):
        if kinds is not None:
            raise Failure(f"the model needs named columns and {data} has none; give a CSV, Parquet or Feather file")
        X, _ = io.read_matrix(data, n_features=n_features)
        if X.shape[1] != n_features:
            raise Failure(f"{data} has {X.shape[1]} columns, the model was fitted on {n_features}; give the same ones")
        return X
    if kinds is None:
        raise Failure(f"the model was fitted on a matrix of {n_features} columns; give an npz or svmlight file")
    table = io.read_table(data, text_columns=[name for name, numeric in kinds.items() if not numeric])
    missing = [name for name in kinds if name not in table.columns]
    if missing:
        names = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise Failure(f"{data} has no column {names}, which the model was fitted on; add what is missing")
    return io.tidy(table, data, kinds)[0]


def note_new_values(X, fitted):
    """Say which text columns hold values that the model has never seen."""
    encoder = fitted.named_steps["columns"].named_transformers_.get("texts")
    if encoder is None:
        return
    for name, known in zip(encoder.feature_names_in_, encoder.categories_):
        new = X.loc[X[name].notna() & ~X[name].isin(known), name].unique()
        if len(new):
            shown = ", ".join(map(repr, new[:3])) + (", ..." if len(new) > 3 else "")
            report.note(f"column {name!r} has values not seen at fit ({shown}): they add nothing to the prediction")
