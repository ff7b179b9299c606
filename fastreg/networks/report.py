"""What the weights of a network look like, layer by layer."""

import numpy as np
from scipy import sparse

__all__ = ["layer_report", "sensitivity"]


def layer_report(weights):
    """Norms, zeros and dead neurons of each layer.

    Parameters
    ----------
    weights : list of ndarray or CSR of shape (n_in, n_out)

    Returns
    -------
    dict of ndarray of shape (n_layers,)
        'l1': sum of absolute weights; 'l2': root of the sum of squares; 'spectral': largest singular value; 'zeros';
        'weights': places for them; 'dead_neurons': neurons without incoming or without outgoing weights.
    """
    dense = [W.toarray() if sparse.issparse(W) else np.asarray(W) for W in weights]
    dead = [~W.any(axis=0) for W in dense]
    for k, W in enumerate(dense[1:]):
        dead[k] |= ~W.any(axis=1)
    return {
        "l1": np.array([np.abs(W).sum(dtype=np.float64) for W in dense]),
        "l2": np.array([np.linalg.norm(W.astype(np.float64)) for W in dense]),
        "spectral": np.array([np.linalg.norm(W.astype(np.float64), 2) for W in dense]),
        "zeros": np.array([W.size - np.count_nonzero(W) for W in dense]),
        "weights": np.array([W.size for W in dense]),
        "dead_neurons": np.array([int(d.sum()) for d in dead]),
    }


def sensitivity(net, X, noise, random_state):
    """Root mean square change of the raw predictions when each input gets normal noise.

    Parameters
    ----------
    net : Network or CompactNetwork
    X : ndarray or CSR of shape (n_samples, n_features)
    noise : float
        Standard deviation of the noise, in standard deviations of the column.
    random_state : RandomState

    Returns
    -------
    float
        In units of raw predictions, divided by `noise`.
    """
    X = X.toarray() if sparse.issparse(X) else X
    moved = X + noise * X.std(axis=0) * random_state.standard_normal(X.shape).astype(X.dtype)
    change = net.raw(np.ascontiguousarray(moved, dtype=X.dtype)) - net.raw(X)
    return float(np.sqrt(np.mean(np.square(change, dtype=np.float64)))) / noise
