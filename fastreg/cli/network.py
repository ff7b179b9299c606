"""What `fastreg fit --model mlp` fits: a network on standardised columns that predicts the standardised target."""

import numpy as np

from fastreg.cli import report
from fastreg.cli.errors import Failure


def parse_hidden(text):
    """``64,32`` as a tuple of numbers of neurons."""
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise Failure(f"--hidden {text}: give numbers of neurons with commas between, for example --hidden 64,32")
    return sizes


def make_model(alpha, hidden, penalty, rule, folds, seed):
    """The cross-validated network, around it what standardises the target.

    Parameters
    ----------
    alpha : float or None
        None: a grid.
    hidden : tuple of int
    penalty : {'l1', 'l2', 'l1_l2'}
    rule : {'min', '1se'}
    folds : list of (train, test)
    seed : int

    Returns
    -------
    sklearn.compose.TransformedTargetRegressor
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    from fastreg import MLPRegressor, MLPRegressorCV

    base = MLPRegressor(
        hidden_layer_sizes=hidden,
        penalty=penalty,
        batch_size=32,
        learning_rate="cosine",
        learning_rate_init=0.005,
        max_iter=200,
        n_iter_no_change=200,
        random_state=seed,
    )
    grid = {"alphas": 6, "refine": 5} if alpha is None else {"alphas": [alpha], "refine": 0}
    chooser = MLPRegressorCV(base, **grid, cv=folds, rule=rule, scoring="neg_mean_squared_error")
    return TransformedTargetRegressor(chooser, transformer=StandardScaler())


def network_of(model):
    """The fitted MLPRegressor inside of a model, or None where there is none."""
    chooser = getattr(model, "regressor_", None)
    return None if chooser is None else chooser.estimator_


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


def errors(model, y):
    """Mean squared error over folds at the chosen alpha and its standard error, in units of y."""
    chooser = model.regressor_
    at = int(np.flatnonzero(chooser.alphas_ == chooser.alpha_)[0])
    variance = float(np.var(y))
    results = chooser.cv_results_
    return -float(results["mean_score"][at]) * variance, float(results["se_score"][at]) * variance
