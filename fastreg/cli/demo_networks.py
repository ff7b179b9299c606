"""The second part of ``fastreg demo``: what a penalty makes of a network that is too large for its data."""

import time
from dataclasses import dataclass

import numpy as np

from fastreg.cli import report
from fastreg.cli.errors import need
from fastreg.cli.files import atomic

COLUMNS = ["network", "train", "test", "zeros", "L2 norm", "compact", "size", "epoch"]
N_TRAIN, WRONG, EPOCHS = 600, 0.2, 60
SMALL, LARGE = (16,), (256, 128)


@dataclass(frozen=True)
class Digits:
    """scikit-learn's handwritten digits, with training labels of which some are wrong.

    Attributes
    ----------
    X, y : training rows, pixels from 0 to 1 in float32, and their labels
    X_test, y_test : the other rows, with the right labels
    n_wrong : int
        Training labels that are wrong.
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    n_wrong: int


def digits(seed, n_train=N_TRAIN):
    """Split the digits and replace a share of the training labels by labels drawn at random."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X, X_test, right, y_test = train_test_split(X, y, train_size=n_train, stratify=y, random_state=seed)
    rng = np.random.default_rng(seed)
    drawn = rng.random(n_train) < WRONG
    y = np.where(drawn, rng.integers(0, 10, n_train), right)
    return Digits(X, y, X_test, y_test, int((y != right).sum()))


def candidates():
    """Names, layers and penalties."""
    from fastreg import L1, L1L2, L2

    return [
        ("small", SMALL, None),
        ("large", LARGE, None),
        ("large, L1", LARGE, L1(0.001)),
        ("large, L2", LARGE, L2(0.01)),
        ("large, L1 + L2", LARGE, L1L2(0.005, l1_ratio=0.2)),
    ]


@dataclass(frozen=True)
class Trained:
    """A network after training.

    Attributes
    ----------
    name : str
    model : MLPClassifier
    train, test : ndarray of shape (n_epochs,)
        Accuracy after each epoch.
    epoch_time : float
        Seconds.
    """

    name: str
    model: object
    train: np.ndarray
    test: np.ndarray
    epoch_time: float


def train(name, layers, penalty, data, seed, n_epochs=EPOCHS):
    """Train a network epoch by epoch and watch its accuracy on both sides."""
    from fastreg import MLPClassifier

    model = MLPClassifier(
        layers,
        penalty=penalty,
        alpha=0.0,
        batch_size=32,
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=n_epochs,
        random_state=np.random.RandomState(seed),  # which goes on from epoch to epoch
    )
    curves, took = [], []
    for _ in range(n_epochs):
        start = time.perf_counter()
        model.partial_fit(data.X, data.y, classes=np.arange(10))
        took.append(time.perf_counter() - start)
        curves.append([np.mean(model.predict(X) == y) for X, y in ((data.X, data.y), (data.X_test, data.y_test))])
    curves = np.array(curves)
    return Trained(name, model, curves[:, 0], curves[:, 1], float(np.median(took)))


def rows(found):
    """The table, a row a network."""
    lines = []
    for one in found:
        small = one.model.compact()
        total = sum(W.size for W in one.model.coefs_)
        norm = np.sqrt(sum(np.sum(np.square(W, dtype=np.float64)) for W in one.model.coefs_))
        layers = [len(small.used_features_), *(W.shape[1] for W in small.coefs_)]
        lines.append(
            [
                one.name,
                f"{100 * one.train[-1]:.1f} %",
                f"{100 * one.test[-1]:.1f} %",
                f"{100 * one.model.n_zeros_ / total:.0f} %",
                f"{norm:.1f}",
                "-".join(map(str, layers)),
                f"{small.size()['bytes'] / 1000:.0f} kB",
                report.seconds(one.epoch_time),
            ]
        )
    return lines


def show(out, data, found):
    """Print the table."""
    title = (
        f"Digits: {len(data.y)} rows to train on, {data.n_wrong} of them with a wrong label, {len(data.y_test)} to test"
    )
    out.print(title, style="bold", soft_wrap=True)
    out.print(report.table(COLUMNS, rows(found), width=out.width, optional=("L2 norm", "epoch", "size", "compact")))
    out.print("compact, size: layers and bytes without dead neurons, unused inputs and zeros, predictions unchanged\n")


def draw(data, found, path):
    """Write the picture: accuracy along the epochs above the weights that are left, a column a network."""
    matplotlib = need("matplotlib", "plot")
    matplotlib.use("Agg")
    plt = need("matplotlib.pyplot", "plot")
    # Margins by hand: to find them, a layout engine would draw everything once more.
    margins = {"left": 0.045, "right": 0.99, "top": 0.95, "bottom": 0.08, "wspace": 0.06, "hspace": 0.32}
    figure, axes = plt.subplots(
        2, len(found), figsize=(3.4 * len(found), 6.4), sharey="row", squeeze=False, gridspec_kw=margins
    )
    largest = max(np.abs(W).max() for one in found for W in one.model.coefs_)
    bins = np.linspace(-largest, largest, 82)  # an even number, so that 0 is in the middle of one
    for one, (above, below) in zip(found, axes.T):
        epochs = np.arange(1, len(one.train) + 1)
        above.plot(epochs, 100 * one.train, color="C0", label="train")
        above.plot(epochs, 100 * one.test, color="C3", label="test")
        above.axhline(100 * (1 - data.n_wrong / len(data.y)), color="0.5", linewidth=0.8, linestyle=":")
        above.set_title(one.name, loc="left", fontweight="bold")
        above.set_xlabel("epoch")
        weights = np.concatenate([W.ravel() for W in one.model.coefs_])
        left = weights[weights != 0]
        below.hist(left, bins=bins, histtype="stepfilled", color="0.4")
        below.set_yscale("log")
        share = 1 - len(left) / len(weights)
        below.set_title(f"{len(left)} weights, {100 * share:.0f} % zero", loc="left", fontsize="medium")
        below.set_xlabel("weight, zeros apart")
        for axis in (above, below):
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylim(60, 101)
    axes[0, 0].set_ylabel("accuracy, %")
    axes[1, 0].set_ylabel("weights")
    axes[0, 0].legend(frameon=False, loc="lower right")
    axes[0, 1].annotate(
        "right training labels",
        xy=(1, 100 * (1 - data.n_wrong / len(data.y))),
        xycoords=axes[0, 1].get_yaxis_transform(),
        xytext=(0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize="small",
        color="0.4",
    )
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    plt.close(figure)


def run(screen, picture, seed):
    """Train, print, draw.

    Parameters
    ----------
    screen : rich.console.Console
    picture : pathlib.Path
        To write.
    seed : int
    """
    with report.working("training networks"):
        data = digits(seed)
        found = [train(*candidate, data, seed) for candidate in candidates()]
    show(screen, data, found)
    with report.working("drawing"):
        draw(data, found, picture)
