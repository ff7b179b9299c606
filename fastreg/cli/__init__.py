"""The command line: ``fastreg demo``, ``fastreg fit``, ``fastreg predict``, ``fastreg inspect``.

Importing this package imports nothing but the standard library; each command imports what it needs when it
runs.
"""

import sys

__all__ = ["main"]


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments without the program name; ``sys.argv[1:]`` by default.

    Raises
    ------
    SystemExit
        Always: code 0, or 2 after a line on standard error that says what to do.
    """
    try:
        from fastreg.cli.app import app
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write('fastreg: error: the command line needs click: pip install "fastreg[cli]"\n')
        raise SystemExit(2) from None
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal without ± gets a question mark
    app.main(args=argv, prog_name="fastreg")
