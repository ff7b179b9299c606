"""What the commands print: tables that fit the terminal, a spinner for what is long, warnings as notes."""

import contextlib
import math
import shutil
import sys
import warnings

from fastreg.cli.errors import need, one_line

# Width when the output is not a terminal (a file, a pipe, a test): every column of every table fits.
PLAIN_WIDTH = 100


def console(stderr=False):
    """A rich console: the terminal's width, or `PLAIN_WIDTH` where there is none."""
    rich = need("rich.console")
    stream = sys.stderr if stderr else sys.stdout
    # COLUMNS, where it is set, counts without a terminal too.
    width = None if stream.isatty() else shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns
    return rich.Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def working(what):
    """Show a spinner and the seconds passed on a terminal; nothing elsewhere, and nothing afterwards.

    Warnings raised inside are printed at the end as one line each.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        try:
            with _spinner(what):
                yield
        finally:
            notes = dict.fromkeys(one_line(w.message) for w in caught if _matters(w.category))
    for text in notes:
        note(text)


def _spinner(what):
    target = console(stderr=True)
    if not target.is_terminal:
        return contextlib.nullcontext()
    progress = need("rich.progress")
    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.TimeElapsedColumn(),
    )
    bar = progress.Progress(*columns, console=target, transient=True)
    bar.add_task(what, total=None)
    return bar


def _matters(category):
    return issubclass(category, (UserWarning, RuntimeWarning))


def note(text):
    """One line on standard error about something to know that is no failure."""
    print(f"fastreg: note: {one_line(text)}", file=sys.stderr, flush=True)


def table(columns, rows, *, width, optional=()):
    """A table without vertical lines; on a narrow terminal the optional columns are left out.

    Parameters
    ----------
    columns : list of str
        The first is set left, the others right.
    rows : list of list of str
    width : int
        Of the terminal.
    optional : tuple of str
        Columns to leave out, first ones first, until the rest fits.

    Returns
    -------
    rich.table.Table
    """
    box, rich = need("rich.box"), need("rich.table")
    widths = {name: max(len(name), *(len(row[i]) for row in rows)) + 2 for i, name in enumerate(columns)}
    keep = list(columns)
    for name in optional:
        if sum(widths[k] for k in keep) > width:
            keep.remove(name)
    made = rich.Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in keep:
        first = name == columns[0]
        made.add_column(name, justify="left" if first else "right", no_wrap=not first, overflow="ellipsis")
    for row in rows:
        made.add_row(*(row[columns.index(name)] for name in keep))
    return made


def number(value):
    """Four significant digits."""
    return f"{value:.4g}"


def decimals(se):
    """The decimals that show two significant digits of a standard error."""
    return max(0, 1 - math.floor(math.log10(se))) if 0 < se < math.inf else 3


def plus_minus(mean, se, digits):
    """A mean and its standard error with `digits` decimals, or in scientific notation if shorter."""
    if digits > 6 or abs(mean) >= 1e7:
        return f"{mean:.3e} ± {se:.1e}"
    return f"{mean:.{digits}f} ± {se:.{digits}f}"


def seconds(value):
    """A duration with its unit."""
    unit, size = next((u for u in (("s", 1.0), ("ms", 1e-3)) if value >= u[1]), ("µs", 1e-6))
    return f"{value / size:.3g} {unit}"


def facts(rows):
    """Names and values in two columns, for a few facts.

    Parameters
    ----------
    rows : list of [str, str]

    Returns
    -------
    rich.table.Table
    """
    grid = need("rich.table").Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid
