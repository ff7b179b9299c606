"""What an estimator's arguments mean, layer by layer."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from fastreg.penalties import L1L2, L2, Penalty, as_penalty

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus")


@dataclass(frozen=True)
class Charges:
    """The penalties of a network.

    Attributes
    ----------
    weights, biases : tuple of (Penalty or None)
        One a layer.
    activity : None or list of (None or (float, float))
        l1 and l2 on the outputs of each hidden layer.
    dropout : None or list of float
        Rates of the hidden layers.
    """

    weights: tuple
    biases: tuple
    activity: list | None
    dropout: list | None

    def value(self, net):
        """Sum over layers of what weights and biases are charged."""
        pairs = [*zip(self.weights, net.weights), *zip(self.biases, net.biases)]
        return sum(penalty.value(array) for penalty, array in pairs if penalty is not None)


def hidden_sizes(value):
    """`hidden_layer_sizes` as a list of int.

    Raises
    ------
    ValueError
        A size that is not a positive whole number.
    """
    sizes = [value] if isinstance(value, Integral) else list(value)
    if any(not isinstance(size, Integral) or isinstance(size, bool | np.bool_) or size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def per_layer(value, n_layers, name, what="layer"):
    """A list with one entry a layer, from that or from a value for all.

    Raises
    ------
    ValueError
        A list of another length.
    """
    if isinstance(value, list | tuple | np.ndarray):
        if len(value) != n_layers:
            raise ValueError(
                f"{name} has {len(value)} entries, but the network has {n_layers} {what}s; give one for each, or one "
                "value for all."
            )
        return list(value)
    return [value] * n_layers


def activations(value, n_hidden):
    """`activation` as a list of names, one a hidden layer."""
    names = per_layer(value, n_hidden, "activation", "hidden layer")
    for name in names:
        if name not in ACTIVATIONS:
            raise ValueError(f"Unknown activation {name!r}: use one of {', '.join(ACTIVATIONS)}.")
    return names


def charges(model, n_layers, batch_weight):
    """The penalties of an estimator.

    Parameters
    ----------
    model : estimator
    n_layers : int
        Of weights: hidden layers and the last one.
    batch_weight : float
        Sum of the weights of a batch. Where `alpha` is scikit-learn's, it is divided by that.

    Returns
    -------
    Charges

    Raises
    ------
    ValueError, TypeError
        The message names the argument.
    """
    if model.penalty is None:
        strength = model.alpha / batch_weight
        weights = [L2(strength) if strength > 0 else None] * n_layers
    else:
        weights = _penalties(model.penalty, n_layers, "penalty", model.alpha)
    biases = _penalties(model.bias_penalty, n_layers, "bias_penalty", model.alpha)
    activity = [
        None if one is None else (one.l1, one.l2)
        for one in _penalties(model.activity_penalty, n_layers - 1, "activity_penalty", model.alpha, "hidden layer")
        if _is_l1l2(one)
    ]
    dropout = per_layer(model.dropout, n_layers - 1, "dropout", "hidden layer")
    for rate in dropout:
        if not (isinstance(rate, Real) and 0 <= rate < 1):
            raise ValueError(f"dropout must be at least 0 and less than 1, got {rate!r}.")
    return Charges(
        tuple(weights),
        tuple(biases),
        activity if any(one is not None for one in activity) else None,
        [float(rate) for rate in dropout] if any(dropout) else None,
    )


def _penalties(value, n_layers, name, alpha, what="layer"):
    found = []
    for one in per_layer(value, n_layers, name, what):
        try:
            found.append(as_penalty(one, alpha))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
    return found


def _is_l1l2(penalty):
    if penalty is not None and not isinstance(penalty, L1L2):
        raise ValueError(f"activity_penalty must be made of L1, L2 or L1L2, got {penalty!r}.")
    return True


def scaled(penalty, factor):
    """A `penalty` argument (one, or one per layer) times a number; strings stay, as alpha is their strength."""
    if isinstance(penalty, list | tuple):
        return [scaled(one, factor) for one in penalty]
    return penalty.scaled(factor) if isinstance(penalty, Penalty) else penalty
