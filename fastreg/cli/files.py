"""Output files: checked before the work, written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from fastreg.cli.errors import Failure, one_line


def check_output(path, suffixes, inputs=()):
    """Check that a file can be written, before time is spent on what goes into it.

    Parameters
    ----------
    path : str
    suffixes : tuple of str
        File name endings allowed, with their dot.
    inputs : iterable of str
        Files that are read by the same command and must not be overwritten.

    Returns
    -------
    pathlib.Path
        With links resolved, so that replacing the file does not replace the link.

    Raises
    ------
    Failure
    """
    shown = Path(path)
    if not shown.name.lower().endswith(suffixes):
        raise Failure(f"--out {shown}: the name must end in {' or '.join(suffixes)}")
    path = Path(os.path.realpath(shown))
    if not path.parent.is_dir():
        raise Failure(f"--out {shown}: there is no folder {shown.parent}; make it first")
    if path.exists() and not path.is_file():
        raise Failure(f"--out {shown}: that is not a regular file; choose another name")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise Failure(f"--out {shown}: no permission to write there; choose another folder")
    if any(path == Path(os.path.realpath(source)) for source in inputs):
        raise Failure(f"--out {shown} would overwrite the input; choose another name")
    return path


@contextlib.contextmanager
def atomic(path):
    """Give a temporary name in the same folder; rename it to `path` at a clean end, remove it otherwise.

    Parameters
    ----------
    path : pathlib.Path
        As `check_output` returned it.

    Yields
    ------
    pathlib.Path
        Has the ending of `path`, since some writers choose the format by it.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise Failure(f"could not write {path}: {reason}; free space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)
