"""What `fastreg fit --model mlp` fits: a network on standardised columns, of classes or the standardised target."""

import numpy as np

from fastreg.cli import report
from fastreg.cli.errors import Failure
from fastreg.cli.pipeline import Found, is_classes, share_right


def parse_hidden(text):
    """``64,32`` as a tuple of numbers of neurons."""
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise Failure(f"--hidden {text}: give numbers of neurons with commas between, for example --hidden 64,32")
    return sizes


def fit(Z, y, choices, folds):
    """The cross-validated network, fitted; around one for numbers, what standardises the target.

    Parameters
    ----------
    Z : ndarray or sparse of shape (n, p)
        Columns on one scale.
    y : ndarray of shape (n,)
        Floats, or labels.
    choices : Choices
    folds : list of (train, test)

    Returns
    -------
    TransformedTargetRegressor or MLPClassifierCV
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    import fastreg

    settings = {"cv": folds, "rule": choices.rule, "alphas": 6, "refine": 5}
    if choices.alpha is not None:
        settings |= {"alphas": [choices.alpha], "refine": 0}
    if is_classes(y):
        base = fastreg.MLPClassifier(**settings_of(choices))
        model = fastreg.MLPClassifierCV(base, scoring="neg_log_loss", **settings).fit(Z, y)
        return model.set_params(cv=choices.cv)
    base = fastreg.MLPRegressor(**settings_of(choices))
    chooser = fastreg.MLPRegressorCV(base, scoring="neg_mean_squared_error", **settings)
    model = TransformedTargetRegressor(chooser, transformer=StandardScaler()).fit(Z, y)
    model.regressor_.set_params(cv=choices.cv)
    return model.set_params(regressor__cv=choices.cv)


def settings_of(choices):
    """How the network is trained."""
    return {
        "hidden_layer_sizes": choices.hidden,
        "penalty": choices.penalty,
        "batch_size": 32,
        "learning_rate": "cosine",
        "learning_rate_init": 0.005,
        "max_iter": 200,
        "n_iter_no_change": 200,
        "random_state": choices.seed,
    }


def found(model, Z, y, choices, folds):
    """What the search found, as `Found`, errors in units of y."""
    chooser = getattr(model, "regressor_", model)
    at = int(np.flatnonzero(chooser.alphas_ == chooser.alpha_)[0])
    unit = 1.0 if is_classes(y) else float(np.var(y))
    mean, se = (float(chooser.cv_results_[name][at]) * unit for name in ("mean_score", "se_score"))
    accuracy = share_right(chooser.estimator_, Z, y, folds) if is_classes(y) else None
    return Found(chooser.alpha_, None, -mean, se, None, accuracy)


def facts(model, summary):
    """Rows about a fitted model: of what was fitted and how well."""
    network = network_of(model)
    return [
        ["layers", size_text(network)],
        ["penalty", f"{network.penalty}, alpha {report.number(summary.alpha)} ({summary.how})"],
        ["non-zeros", weights_text(network)],
    ]


def details(model):
    """More rows about a fitted model, for who looks into it."""
    return [["stationary", f"up to {network_of(model).stationarity_:.1e} of a unit of the gradient"]]


def show(out, fitted, top):
    """Print a fitted pipeline's network, layer by layer; there are no single coefficients to list the `top` of."""
    out.print(layer_table(network_of(fitted.named_steps["model"]), out.width))


def network_of(model):
    """The fitted network inside of a model."""
    return getattr(model, "regressor_", model).estimator_


def size_text(network):
    """Layers and weights in a few words."""
    layers = [network.n_features_in_, *(W.shape[1] for W in network.coefs_)]
    small = network.compact()
    left = [len(small.used_features_), *(W.shape[1] for W in small.coefs_)]
    return f"{'-'.join(map(str, layers))}; without dead neurons and inputs {'-'.join(map(str, left))}"


def weights_text(network):
    """Non-zero weights of all."""
    total = sum(W.size for W in network.coefs_)
    return f"{total - network.n_zeros_} of {total} weights"


def layer_table(network, width):
    """A row a layer: norms, zeros, dead neurons."""
    found = network.weight_report()
    rows = [
        [
            f"{k + 1} ({W.shape[0]}×{W.shape[1]})",
            report.number(found["l1"][k]),
            report.number(found["l2"][k]),
            report.number(found["spectral"][k]),
            f"{100 * found['zeros'][k] / found['weights'][k]:.0f} %",
            str(found["dead_neurons"][k]),
        ]
        for k, W in enumerate(network.coefs_)
    ]
    columns = ["layer", "L1", "L2", "spectral", "zeros", "dead neurons"]
    return report.table(columns, rows, width=width, optional=("spectral", "L1"))
