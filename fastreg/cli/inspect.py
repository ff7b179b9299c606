"""``fastreg inspect``."""

import numpy as np

from fastreg.cli import models, network, report
from fastreg.cli.errors import need
from fastreg.cli.fit import error_text


def run(model, top):
    """Print what a model file holds; arguments as on the command line."""
    need("rich")
    with report.working(f"reading {model}"):
        content = models.load(model)
    summary, fitted = content["summary"], content["pipeline"]
    estimator = fitted.named_steps["model"]
    inner = network.network_of(estimator)
    if inner is not None:
        show_network(summary, content["target"], inner)
        return
    coef, scale = estimator.coef_, fitted.named_steps["scale"].scale_
    names = fitted[:-1].get_feature_names_out()
    zeros = len(coef) - np.count_nonzero(coef)
    norm = np.linalg.norm(coef)
    out = report.console()
    rows = [
        ["model", f"{summary.model} for {content['target']}, fitted on {summary.rows} rows"],
        ["alpha", f"{report.number(summary.alpha)} ({summary.how})"],
        ["l1_ratio", report.number(summary.l1_ratio)],
        ["CV error", error_text(summary)],
        ["coefficients", f"{len(coef)}, of which {zeros} are zero"],
        ["norms", f"L1 {report.number(np.abs(coef).sum())}, L2 {report.number(norm)} (per sd)"],
        ["intercept", report.number(estimator.intercept_)],
        ["gap", f"{summary.gap:.1e} of the objective at zero"],
    ]
    out.print(report.facts(rows))
    order = np.argsort(-np.abs(coef), kind="stable")[: min(top, len(coef) - zeros)]
    if not len(order):
        out.print("every coefficient is zero: the model predicts the mean")
        return
    lines = [[str(names[j]), report.number(coef[j]), report.number(coef[j] / scale[j])] for j in order]
    out.print(f"\nLargest {len(order)} of {len(coef) - zeros} non-zero coefficients", style="bold")
    out.print(report.table(["column", "per sd", "per unit"], lines, width=out.width, optional=("per unit",)))


def show_network(summary, target, inner):
    """Print what a network is made of."""
    out = report.console()
    rows = [
        ["model", f"{summary.model} for {target}, fitted on {summary.rows} rows"],
        ["layers", network.size_text(inner)],
        ["penalty", f"{inner.penalty}, alpha {report.number(summary.alpha)} ({summary.how})"],
        ["CV error", error_text(summary)],
        ["non-zeros", network.weights_text(inner)],
        ["stationary", f"up to {inner.stationarity_:.1e} of a unit of the gradient"],
    ]
    out.print(report.facts(rows))
    out.print(network.layer_table(inner, out.width))
