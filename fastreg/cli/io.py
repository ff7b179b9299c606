"""Data files by their ending: tables (CSV, TSV, Parquet, Feather) and matrices (npz, svmlight).

A table becomes a pandas DataFrame with two kinds of column only: numbers (NaN where missing) and text (object
dtype with str and NaN), which the pipeline turns into one column a value. A matrix stays what it is: a NumPy
array or a scipy sparse matrix, whose columns have no names.
"""

import difflib
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np

from fastreg.cli.errors import Failure, need, one_line

CSV, PARQUET, FEATHER = (".csv", ".csv.gz"), (".parquet", ".pq"), (".feather", ".arrow")
TSV = (".tsv", ".tsv.gz")
SVMLIGHT = (".svmlight", ".svm", ".libsvm", ".svmlight.gz", ".svm.gz", ".libsvm.gz")
TABLES = CSV + TSV + PARQUET + FEATHER
MATRICES = (".npz", *SVMLIGHT)
WRITABLE = (".csv", ".tsv", ".parquet", ".feather", ".npz")


def is_matrix(path):
    """Whether the ending of a file's name says that it holds a matrix rather than a table."""
    return str(path).lower().endswith(MATRICES)


def _check_input(path):
    path = Path(path)
    if not path.exists():
        raise Failure(f"{path}: no such file; check the path")
    if not path.is_file():
        raise Failure(f"{path}: not a file; give one data file")
    if not path.name.lower().endswith(TABLES + MATRICES):
        raise Failure(f"{path}: unknown ending; use .csv, .tsv, .parquet, .feather, .npz or .svmlight")
    if not os.access(path, os.R_OK):
        raise Failure(f"{path}: no permission to read it")
    if path.stat().st_size == 0:
        raise Failure(f"{path}: the file is empty")
    return path


# -----------------------------------------------------------------------------------------------------------
# tables


def read_table(path, text_columns=()):
    """Read a CSV, TSV, Parquet or Feather file.

    Parameters
    ----------
    path : str or Path
    text_columns : iterable of str
        Columns to take as text whatever they look like: at predict, those that were text at fit.

    Returns
    -------
    pandas.DataFrame
        Untouched columns; see `tidy`.

    Raises
    ------
    Failure
    """
    path = _check_input(path)
    pd = need("pandas")
    name = path.name.lower()
    if not name.endswith(CSV + TSV):
        need("pyarrow")
    try:
        if name.endswith(CSV + TSV):
            separator = "\t" if name.endswith(TSV) else ","
            dtype = dict.fromkeys(text_columns, str)
            with warnings.catch_warnings():
                # Rows with more fields than the first line has: pandas would drop the last ones with this.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                table = pd.read_csv(path, sep=separator, dtype=dtype, index_col=False, low_memory=False)
        elif name.endswith(PARQUET):
            table = pd.read_parquet(path)
        else:
            table = pd.read_feather(path)
    except pd.errors.ParserWarning as error:
        advice = "correct it; if fields are separated by semicolons, save it with commas and decimal points"
        raise Failure(f"{path}: rows have more fields than the first line has names; {advice}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: its text is not UTF-8; save it in that encoding") from error
    except Exception as error:  # pandas, pyarrow, gzip and the decoder each have their own classes
        raise Failure(f"{path}: can't be read as its ending says ({one_line(error)}); check the file") from error
    if table.shape[1] == 1 and ";" in str(table.columns[0]):
        raise Failure(f"{path}: the columns are separated by semicolons; save it with commas")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise Failure(f"{path}: there are two columns {twice!r}; rename one")
    if not len(table):
        raise Failure(f"{path}: there are no rows")
    table.columns = [str(column) for column in table.columns]
    return table


def _is_numeric(column, where):
    """Whether a column is numbers (else text); a Failure for dates, nested values and complex numbers."""
    types = need("pandas").api.types
    if isinstance(column.dtype, need("pandas").CategoricalDtype):
        return False
    if types.is_bool_dtype(column) or (types.is_numeric_dtype(column) and not types.is_complex_dtype(column)):
        return True
    if types.is_string_dtype(column) and not types.is_object_dtype(column):
        return False
    kind = types.infer_dtype(column, skipna=True) if types.is_object_dtype(column) else str(column.dtype)
    if kind in ("integer", "floating", "decimal", "mixed-integer-float", "boolean"):
        return True
    if kind in ("string", "mixed-integer", "empty"):
        return kind == "empty"
    raise Failure(f"{where} holds {kind} values; turn it into numbers or text, or leave it out with --drop")


def _as_number(column, where):
    """A float64 column from any numeric one; a Failure if it holds infinity."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax()) + 1
        raise Failure(f"{where} is infinite in row {row}; correct it or leave the cell empty")
    return values


def _as_text(column):
    """An object column of str, NaN where missing: the same for text, categories and numbers taken as text."""
    missing = column.isna().to_numpy()
    values = np.array([np.nan if gone else str(v) for v, gone in zip(column, missing)], dtype=object)
    return values


def tidy(table, path, kinds=None):
    """Bring every column to one of the two kinds that the pipeline knows.

    Parameters
    ----------
    table : pandas.DataFrame
    path : str
        For messages.
    kinds : dict of str to bool, optional
        Column name to whether it is numeric, from the fit; inferred by default. Other columns are left out.

    Returns
    -------
    pandas.DataFrame
        In the order of `kinds`.
    kinds : dict of str to bool

    Raises
    ------
    Failure
    """
    pd = need("pandas")
    if kinds is None:
        kinds = {name: _is_numeric(table[name], f"{path}: column {name!r}") for name in table.columns}
    columns = {}
    for name, numeric in kinds.items():
        column, where = table[name], f"{path}: column {name!r}"
        if not numeric:
            columns[name] = _as_text(column)
        elif column.isna().all():
            columns[name] = np.full(len(column), np.nan)
        elif _is_numeric(column, where):
            columns[name] = _as_number(column, where)
        else:
            raise Failure(f"{where} holds text ({example(column)}) where numbers are needed; correct it")
    return pd.DataFrame(columns, index=table.index), kinds


def meant(name, names):
    """A question that names the nearest of `names`, or None where none is near."""
    near = {other.strip().lower(): other for other in names}
    match = difflib.get_close_matches(name.strip().lower(), near, n=1)
    return f"did you mean {near[match[0]]!r}?" if match else None


def share_of_numbers(column):
    """Of the values of a text column, those that read as numbers."""
    number = need("pandas").to_numeric(column, errors="coerce")
    return number.notna().sum() / max(column.notna().sum(), 1)


def example(column):
    """The first value of a text column that is no number, for a message."""
    number = need("pandas").to_numeric(column, errors="coerce")
    odd = column[number.isna() & column.notna()]
    shown = str((odd if len(odd) else column.dropna()).iloc[0])
    return repr(shown if len(shown) <= 30 else shown[:27] + "...")


def table_target(table, target, path, task="auto"):
    """The target of a table, as floats or labels.

    Parameters
    ----------
    table : pandas.DataFrame
    target : str or None
    path : str
        For messages.
    task : {'auto', 'regression', 'classification'}

    Returns
    -------
    ndarray of shape (n,)
    """
    known = ", ".join(table.columns[:8]) + (", ..." if table.shape[1] > 8 else "")
    if target is None:
        raise Failure(f"name the column to predict with --target: {path} has {known}")
    if target not in table.columns:
        advice = meant(target, table.columns) or f"it has {known}"
        raise Failure(f"{path} has no column {target!r} for --target; {advice}")
    column, where = table[target], f"{path}: target {target!r}"
    if column.isna().all():
        raise Failure(f"{where} has no values; choose another --target")
    truth = need("pandas").api.types.is_bool_dtype(column)
    if _is_numeric(column, where) and (task == "regression" or not truth):
        return check_target(_as_number(column, where), where, task)
    if column.isna().any():
        check_target(np.where(column.isna(), np.nan, 0.0), where)
    return check_target(_as_text(column).astype(str), where, task)


def check_target(y, where, task="auto"):
    """A target as float64 numbers, or as labels: str or, of whole numbers, int64.

    Parameters
    ----------
    y : ndarray
    where : str
        For messages.
    task : {'auto', 'regression', 'classification'}
        'auto': text and true/false are classes, all else numbers.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    Failure
        Not one number or label a row, or not what the task needs.
    """
    if y.ndim != 1 or y.dtype.kind not in "biufU":
        raise Failure(f"{where} is {y.ndim}-D of type {y.dtype}; it must be one real number or text a row")
    if y.dtype.kind in "bU" and task != "regression":
        return y.astype(str)
    if y.dtype.kind == "U":
        raise Failure(f"{where} holds text ({str(y[0])!r}): classes; leave out --task regression, or choose another")
    y = y.astype(np.float64)
    bad = ~np.isfinite(y)
    if bad.any():
        first, count = int(bad.argmax()) + 1, int(bad.sum())
        raise Failure(f"{where} is missing or infinite in {count} of {len(y)} rows (first: row {first}); remove them")
    if task != "classification":
        return y
    if (y != np.rint(y)).any() or np.abs(y).max() > 2**53:
        odd = y[(y != np.rint(y)) | (np.abs(y) > 2**53)][0]
        raise Failure(f"{where} holds {odd:g}: classes are text or whole numbers; leave out --task classification")
    return y.astype(np.int64)


# -----------------------------------------------------------------------------------------------------------
# matrices


def read_matrix(path, target=None, task="auto", n_features=None):
    """Read an npz or svmlight file.

    An npz file holds either ``X`` (2-D) or what `scipy.sparse.save_npz` writes, beside an array with the
    target. No pickled objects are read.

    Parameters
    ----------
    path : str or Path
    target : str, optional
        Name of the target's array in an npz file; without it no target is read from an npz file.
    task : {'auto', 'regression', 'classification'}
        See `check_target`.
    n_features : int, optional
        Columns of an svmlight file, which does not store them; the highest that occurs by default.

    Returns
    -------
    X : ndarray or CSR/CSC array of shape (n, p)
    y : ndarray of shape (n,), or None

    Raises
    ------
    Failure
    """
    path = _check_input(path)
    if path.name.lower().endswith(".npz"):
        X, y = _read_npz(path, target, task)
    else:
        X, y = _read_svmlight(path, n_features, task)
    if X.shape[0] == 0 or X.shape[1] == 0:
        raise Failure(f"{path}: X is empty ({X.shape[0]} rows, {X.shape[1]} columns)")
    values = X if isinstance(X, np.ndarray) else X.data
    if np.isinf(values).any():
        raise Failure(f"{path}: X holds infinite values; correct them or make them NaN")
    return X, y


def _read_npz(path, target, task):
    from scipy import sparse

    try:
        with np.load(path, allow_pickle=False) as archive:
            names = set(archive.files)
            if "X" in names:
                X = archive["X"]
            elif {"data", "indices", "indptr", "shape"} <= names:
                X = sparse.load_npz(path)
            else:
                raise Failure(f"{path}: no array X in it, only {', '.join(sorted(names))}; save X under that name")
            if target is not None and target not in names:
                raise Failure(
                    f"{path} has no array {target!r} for --target, only {', '.join(sorted(names))}; name or add one"
                )
            y = None if target is None else archive[target]
    except Failure:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Failure(f"{path}: can't be read as npz ({one_line(error)}); save it with numpy.savez") from error
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise Failure(f"{path}: X is {X.ndim}-D of type {X.dtype}; it must be a 2-D array of real numbers")
    if y is not None and y.shape[:1] != X.shape[:1]:
        raise Failure(f"{path}: X has {X.shape[0]} rows, {target!r} has shape {y.shape}; they must be as long")
    return X, None if y is None else check_target(y, f"{path}: target {target!r}", task)


def _read_svmlight(path, n_features, task):
    from sklearn.datasets import load_svmlight_file

    try:
        X, y = load_svmlight_file(str(path), n_features=n_features)
    except (ValueError, OSError, EOFError) as error:
        advice = "check the file"
        if n_features is not None and "n_features" in str(error):
            advice = f"the model was fitted on {n_features} columns"
        raise Failure(f"{path}: can't be read as svmlight ({one_line(error)}); {advice}") from error
    return X, check_target(y, f"{path}: target", task)


# -----------------------------------------------------------------------------------------------------------
# predictions


def write_predictions(values, file):
    """Write columns of predictions.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n,)
    file : pathlib.Path or text file
        A path is written by its ending, one of `WRITABLE`; a text file gets CSV.
    """
    ending = file.suffix.lower() if isinstance(file, Path) else ".csv"
    if ending == ".npz":
        np.savez(file, **values)
        return
    table = need("pandas").DataFrame(values)
    if ending in PARQUET or ending in FEATHER:
        need("pyarrow")
    if ending in PARQUET:
        table.to_parquet(file, index=False)
    elif ending in FEATHER:
        table.to_feather(file)
    else:
        table.to_csv(file, sep="\t" if ending == ".tsv" else ",", index=False)
