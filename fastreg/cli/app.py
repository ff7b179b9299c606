"""The command group: one line for every failure, exit code 2.

click answers a wrong option with three lines of usage; here every failure, click's and ours, is one line.
``--debug`` brings the traceback back.
"""

import sys
import traceback

import click

from fastreg.cli.errors import Failure, one_line


def _message(error):
    """One line for any exception."""
    if isinstance(error, Failure):
        return one_line(error)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{one_line(error.format_message())} See: {error.ctx.command_path} --help"
    if isinstance(error, click.ClickException):
        return one_line(error.format_message())
    if isinstance(error, MemoryError):
        return "not enough memory for this; use fewer columns (--drop) or fewer rows"
    if isinstance(error, ModuleNotFoundError):
        return f'{one_line(error)}: pip install "fastreg[cli,plot]"'
    # The message of a library (scikit-learn's about the data, mostly). Its class says what kind of mistake it
    # is.
    return f"{type(error).__name__}: {one_line(error)} (--debug before the command shows where)"


class OneLineGroup(click.Group):
    """A group that turns every exception into one line on standard error and exit code 2."""

    def main(self, args=None, prog_name=None, *, standalone_mode=True, **extra):
        args = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except (click.Abort, KeyboardInterrupt):
            click.echo("fastreg: stopped; nothing was written", err=True)
            code = 130
        except BrokenPipeError:
            # The reader of our output (head, less) is gone. Point stdout elsewhere, or Python complains at
            # its end.
            sys.stdout = None
            code = 1
        except Exception as error:
            if args[:1] == ["--debug"]:
                traceback.print_exc()
            click.echo(f"fastreg: error: {_message(error)}", err=True)
            code = 2
        sys.exit(code if isinstance(code, int) else 0)


def _version(ctx, param, value):
    if value and not ctx.resilient_parsing:
        from fastreg import __version__

        click.echo(f"fastreg {__version__}")
        ctx.exit()


@click.group(cls=OneLineGroup, invoke_without_command=True)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def app(ctx, debug):
    """Lasso, ridge, elastic net and networks with cross-validation, and a certificate of optimality."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@app.command()
@click.option("--out", type=click.Path(), default="fastreg-demo.png", show_default=True, help="The picture to write.")
@click.option("--folds", type=click.IntRange(2, 50), default=5, show_default=True, help="Cross-validation folds.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Shuffles rows, draws weights.")
def demo(**options):
    """Fit lasso paths to real data, then networks; print what was found and draw it.

    The networks' picture is beside the other, with -networks in its name.
    """
    from fastreg.cli.demo import run

    run(**options)


@app.command()
@click.argument("data", type=click.Path())
@click.option("--target", metavar="COL", help="Column to predict. npz: its array, y if not given; svmlight: none.")
@click.option(
    "--model",
    type=click.Choice(["lasso", "ridge", "elastic-net", "mlp"]),
    default="lasso",
    show_default=True,
    help="A linear (of classes: logistic) model by its penalty, or a network.",
)
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "classification"]),
    default="auto",
    show_default=True,
    help="Whether the target is numbers or classes; auto: classes if text or true/false.",
)
@click.option(
    "--alpha",
    default="auto",
    show_default=True,
    metavar="auto|VALUE",
    help="Penalty strength, or auto: by CV.",
)
@click.option(
    "--l1-ratio",
    type=click.FloatRange(0, 1, min_open=True),
    multiple=True,
    metavar="R",
    help="Share of L1 in the elastic net, 0.5 if not given. Several: the best by CV.",
)
@click.option("--hidden", metavar="N,...", help="mlp: neurons of each hidden layer, 32 if not given.")
@click.option(
    "--penalty", type=click.Choice(["l1", "l2", "l1_l2"]), help="mlp: what its weights are charged, l1 if not given."
)
@click.option("--cv", type=click.IntRange(2), default=5, show_default=True, metavar="K", help="Folds.")
@click.option(
    "--rule",
    type=click.Choice(["min", "1se"]),
    default="min",
    show_default=True,
    help="Smallest CV error, or the strongest penalty within one standard error of it.",
)
@click.option("--drop", multiple=True, metavar="COL", help="Leave a column out. May be repeated.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Shuffles rows, draws weights.",
)
@click.option("--out", type=click.Path(), metavar="MODEL", help="Save the model here (.skops).")
def fit(**options):
    """Fit a model to DATA.

    DATA is a .csv, .tsv, .parquet, .feather, .npz or .svmlight file. Text columns become one column a value,
    missing numbers the column's mean, and all columns are put on one scale, as the penalty needs.
    """
    from fastreg.cli.fit import run

    run(**options)


@app.command()
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@click.option("--probabilities", is_flag=True, help="Also the probability of each class.")
@click.option("--out", type=click.Path(), help="File to write (.csv, .tsv, .parquet, .feather, .npz); else printed.")
def predict(**options):
    """Predict the rows of DATA with a saved MODEL."""
    from fastreg.cli.predict import run

    run(**options)


@app.command()
@click.argument("model", type=click.Path())
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Coefficients to list.")
def inspect(**options):
    """Show a saved MODEL: coefficients by size, zeros, norms, gap."""
    from fastreg.cli.inspect import run

    run(**options)
