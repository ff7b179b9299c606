"""``fastreg inspect``."""

from fastreg.cli import models, report
from fastreg.cli.errors import need
from fastreg.cli.fit import facts, family_of


def run(model, top):
    """Print what a model file holds; arguments as on the command line."""
    need("rich")
    with report.working(f"reading {model}"):
        content = models.load(model)
    summary, fitted = content["summary"], content["pipeline"]
    family, out = family_of(summary.model), report.console()
    details = family.details(fitted.named_steps["model"])
    out.print(report.facts([*facts(summary, fitted, content["target"]), *details]))
    family.show(out, fitted, top)
