"""What a fitted network can say about itself, and its smaller twin."""

import copy

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fastreg.mlp._data import check_rows, float_type
from fastreg.networks.compact import choose_storage, prune, size
from fastreg.networks.report import layer_report, sensitivity


class Inspection:
    """`size`, `weight_report` and `compact` of a network."""

    def size(self):
        """Parameters, non-zeros and bytes.

        Returns
        -------
        dict
            'parameters': places for weights and biases; 'non_zeros': those that are not 0; 'bytes': what storing
            them takes, with the indices of sparse layers.
        """
        check_is_fitted(self, "coefs_")
        return size(self.coefs_, self.intercepts_)

    def weight_report(self, X=None, *, noise=0.01, random_state=0):
        """Norms, zeros and dead neurons of each layer; with X, how much small noise on it moves the output.

        Parameters
        ----------
        X : array-like, dataframe or sparse of shape (n_samples, n_features), default=None
        noise : float, default=0.01
            Standard deviation of the normal noise, in standard deviations of each column.
        random_state : int, RandomState or None, default=0

        Returns
        -------
        dict
            Arrays of shape (n_layers,): 'l1' (sum of absolute weights), 'l2' (root of the sum of squares), 'spectral'
            (largest singular value), 'zeros', 'weights' (places for them), 'dead_neurons' (without incoming or
            without outgoing weights). With X also 'sensitivity': root mean square change of the raw predictions,
            divided by `noise`.
        """
        check_is_fitted(self, "coefs_")
        report = layer_report(self.coefs_)
        if X is not None:
            if not noise > 0:
                raise ValueError(f"noise must be positive, got {noise!r}.")
            X = check_rows(self, X)
            X = X.astype(float_type(X), copy=False)
            report["sensitivity"] = sensitivity(self._network(), X, noise, check_random_state(random_state))
        return report

    def compact(self):
        """The same network without its dead parts.

        Neurons without outgoing weights go; those without incoming weights are constants and move into the next
        biases; inputs without outgoing weights are not read. Layers with few weights left are kept as CSR, and where
        that is faster, predictions skip the zeros.

        Returns
        -------
        estimator
            Fitted, of the same class, for prediction. Its predictions are equal but for rounding. `hidden_layer_sizes`
            and `activation` are those of the layers that are left, `used_features_` says which columns of X are read,
            and `coefs_` has CSR arrays among its layers.
        """
        check_is_fitted(self, "coefs_")
        weights = [W.toarray() if sparse.issparse(W) else W for W in self.coefs_]
        pruned = prune(weights, self.intercepts_, self._trained[0])
        small = copy.copy(self)
        for name in ("_net", "_trainer", "_optimizer_state", "_settings"):
            vars(small).pop(name, None)
        used = getattr(self, "used_features_", np.arange(self.n_features_in_))
        small.coefs_, small.intercepts_ = choose_storage(pruned.weights), pruned.biases
        small.used_features_ = used[pruned.used]
        small.hidden_layer_sizes = tuple(W.shape[1] for W in pruned.weights[:-1])
        small.n_zeros_ = int(sum(W.size - np.count_nonzero(W) for W in pruned.weights))
        return small
