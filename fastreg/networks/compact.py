"""Small networks from big ones: what can be left out without a change of the predictions.

A neuron none of whose outgoing weights is left tells nobody anything. One without incoming weights has a constant
output, which moves into the biases of the next layer. An input without outgoing weights isn't read. Removing neurons
from the first layer on makes later ones constant, removing them from the last layer on makes earlier ones (and
inputs) useless, so one pass each way finds all.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fastreg.networks.activations import activate
from fastreg.networks.network import Network
from fastreg.networks.pruned import PrunedNetwork

__all__ = ["CompactNetwork", "Pruned", "choose_storage", "prune", "size"]

# Below this share of non-zeros a layer is kept as CSR.
SPARSE_DENSITY = 0.15
# What a non-zero weight costs in a panel, in units of a weight in a dense product.
PANEL_COST = 3.0


@dataclass(frozen=True)
class Pruned:
    """A network without its dead parts.

    Attributes
    ----------
    used : ndarray of intp
        The inputs that are read.
    weights, biases : list of ndarray
    """

    used: np.ndarray
    weights: list
    biases: list


def prune(weights, biases, activations):
    """Leave out dead neurons and unused inputs.

    Parameters
    ----------
    weights : list of ndarray of shape (n_in, n_out)
    biases : list of ndarray of shape (n_out,)
    activations : sequence of str

    Returns
    -------
    Pruned
        With at least one input, and one neuron a layer.
    """
    weights = [np.array(W) for W in weights]
    biases = [np.array(b) for b in biases]
    for k, name in enumerate(activations):
        alive = weights[k].any(axis=0)
        constant = activate(name, biases[k].astype(np.float64))[0] * ~alive
        biases[k + 1] = (biases[k + 1] + constant @ weights[k + 1]).astype(biases[k + 1].dtype)
        weights[k + 1][~alive] = 0
    for k in range(len(activations) - 1, -1, -1):
        keep = _some(weights[k + 1].any(axis=1))
        weights[k], biases[k], weights[k + 1] = weights[k][:, keep], biases[k][keep], weights[k + 1][keep]
    used = _some(weights[0].any(axis=1))
    weights[0] = weights[0][used]
    return Pruned(used, [np.ascontiguousarray(W) for W in weights], biases)


def _some(alive):
    """Numbers of those alive, or the first where none is."""
    found = np.flatnonzero(alive)
    return found if len(found) else np.zeros(1, dtype=np.intp)


def choose_storage(weights):
    """Each layer's weights as CSR where few are left, else as they are."""
    return [sparse.csr_array(W) if np.count_nonzero(W) < SPARSE_DENSITY * W.size else W for W in weights]


def size(weights, biases):
    """Parameters, non-zeros and bytes of a network.

    Parameters
    ----------
    weights : list of ndarray or CSR
    biases : list of ndarray

    Returns
    -------
    dict
        'parameters': places for weights and biases; 'non_zeros': those that are not 0; 'bytes': what storing them
        takes, indices of CSR included.
    """
    found = {"parameters": 0, "non_zeros": 0, "bytes": 0}
    for array in (*weights, *biases):
        found["parameters"] += int(np.prod(array.shape))
        if sparse.issparse(array):
            found["non_zeros"] += int(np.count_nonzero(array.data))
            found["bytes"] += sum(int(part.nbytes) for part in (array.data, array.indices, array.indptr))
        else:
            found["non_zeros"] += int(np.count_nonzero(array))
            found["bytes"] += int(array.size * array.itemsize)
    return found


class CompactNetwork:
    """Prediction of a pruned network: as a dense one where that is faster, else in panels.

    Parameters
    ----------
    weights : list of ndarray or CSR
    biases : list of ndarray
    activations : sequence of str
    loss : Loss
    used : ndarray of intp
        The columns of X that are read.
    n_features : int
        All columns of X.
    """

    def __init__(self, weights, biases, activations, loss, used, n_features):
        dtype = weights[0].dtype
        self.used = None if len(used) == n_features else used
        dense = sum(np.prod(W.shape) for W in weights)
        work = sum(W.nnz if sparse.issparse(W) else W.size for W in weights)
        self.panels = PANEL_COST * work < dense
        if self.panels:
            self.net = PrunedNetwork(weights, biases, list(activations), used)
            return
        sizes = [weights[0].shape[0], *(W.shape[1] for W in weights)]
        self.net = Network(sizes, activations, loss, dtype)
        for mine, given in zip(self.net.weights, weights, strict=True):
            mine[...] = given.toarray() if sparse.issparse(given) else given
        for mine, given in zip(self.net.biases, biases, strict=True):
            mine[...] = given

    def raw(self, X):
        """Raw predictions of X (n_samples, n_features), dense or CSR; shape (n_samples, n_outputs)."""
        if self.panels or self.used is None:
            return self.net.raw(X)
        parts = [self.net.raw(X[at : at + 4096][:, self.used]) for at in range(0, X.shape[0], 4096)]
        return np.concatenate(parts)
