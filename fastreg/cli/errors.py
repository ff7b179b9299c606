"""The one error of the command line, and the imports that may be missing."""

import importlib


class Failure(Exception):
    """What went wrong and what to do about it, in one line."""


def need(module, extra="cli"):
    """Import a module of an optional extra.

    Parameters
    ----------
    module : str
        Full name, e.g. ``"rich.table"``.
    extra : str
        The extra of fastreg that installs it.

    Returns
    -------
    module

    Raises
    ------
    Failure
        Naming the extra to install, when the module's package is absent.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise Failure(f'this needs {package}: pip install "fastreg[{extra}]"') from None


def one_line(text):
    """The first sentence-like line of a message that may have many, without runs of blanks."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return " ".join(lines[0].split()) if lines else "no further message"
