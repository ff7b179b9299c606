"""Saved models: skops files, which hold data and names of types, and never code.

Loading makes objects of the types that skops trusts (scikit-learn's, NumPy's, SciPy's) and of those listed
here, and refuses a file that asks for any other.
"""

from pathlib import Path

from fastreg.cli.errors import Failure, need, one_line
from fastreg.cli.files import atomic

SUFFIX = (".skops",)
FORMAT = 2


def trusted_types():
    """Names of the types that a fastreg model may hold beyond those that skops trusts.

    Returns
    -------
    list of str
        Our estimators, and ``numpy.dtype``: skops reads one from an empty array, which runs nothing.
    """
    import fastreg

    classes = [getattr(fastreg, name) for name in fastreg.__all__]
    ours = [f"{c.__module__}.{c.__qualname__}" for c in classes if isinstance(c, type)]
    return [*ours, "numpy.dtype"]


def save(path, pipeline, target, kinds, summary):
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        From `check_output`.
    pipeline : sklearn.pipeline.Pipeline
        Fitted.
    target : str
    kinds : dict of str to bool, or None
        Columns of the table it was fitted on; None for a matrix.
    summary : Summary
    """
    skops = need("skops.io")
    content = {
        "format": FORMAT,
        "target": target,
        "kinds": kinds,
        "summary": summary.as_dict(),
        "pipeline": pipeline,
    }
    with atomic(path) as temporary:
        skops.dump(content, temporary)


def load(path):
    """Read a model file.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        The arguments of `save`.

    Raises
    ------
    Failure
        Not a fastreg model, or types in it that are not trusted; nothing of it has been run.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    from fastreg.cli.pipeline import Summary

    path = Path(path)
    if not path.is_file():
        raise Failure(f"{path}: no such file; save a model with: fastreg fit DATA --target COL --out {path}")
    if not path.name.lower().endswith(SUFFIX):
        raise Failure(f"{path} is no fastreg model: their names end in .skops, and they come before the data")
    skops = need("skops.io")
    try:
        content = skops.load(path, trusted=trusted_types())
        if content["format"] != FORMAT:
            raise ValueError("another version of fastreg saved it")
        if not isinstance(content["pipeline"], Pipeline):
            raise ValueError("its content is something else")
        content["summary"] = Summary(**content["summary"])
        check_is_fitted(content["pipeline"].named_steps["model"])
    except need("skops.io.exceptions").UntrustedTypesFoundException as error:
        names = one_line(error).partition(":")[2].strip(" .[]") or one_line(error)
        raise Failure(f"{path} holds types that are not trusted ({names}); nothing of it was run") from error
    except Exception as error:  # a damaged archive fails in as many ways as there are bytes
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise Failure(f"{path} is no fastreg model ({reason}); make one with fastreg fit --out") from error
    return content
