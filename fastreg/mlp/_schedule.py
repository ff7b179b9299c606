"""Learning rates: one for each batch of an epoch."""

import math

import numpy as np

# scikit-learn's: an adaptive rate is divided by this, and training ends below the least rate
ADAPTIVE_DIVISOR = 5.0
LEAST_RATE = 1e-6


class Schedule:
    """The learning rate of SGD and Adam.

    Parameters
    ----------
    kind : {'constant', 'invscaling', 'adaptive', 'cosine'}
        'invscaling' and 'adaptive' are SGD's alone, as in scikit-learn.
    rate : float
        `learning_rate_init`.
    power_t : float
        Of 'invscaling'.
    warmup : int
        Epochs in which the rate rises to `rate`, batch by batch, in even steps.
    n_epochs : int
        After which the cosine is 0.
    sgd : bool
    """

    def __init__(self, kind, rate, power_t, warmup, n_epochs, sgd):
        self.kind = kind if sgd or kind == "cosine" else "constant"
        self.rate, self.power_t, self.warmup, self.n_epochs = rate, power_t, warmup, n_epochs
        self.current = rate

    def rates(self, epoch, n_batches):
        """The rate of an epoch (0, 1, ...): one number, or one for each batch."""
        if epoch < self.warmup:
            return self.current * (np.arange(1, n_batches + 1) + epoch * n_batches) / (self.warmup * n_batches)
        if self.kind == "cosine":
            done = (epoch - self.warmup + np.arange(n_batches) / n_batches) / max(1, self.n_epochs - self.warmup)
            return self.rate * 0.5 * (1 + np.cos(np.pi * np.minimum(done, 1)))
        return self.current

    def epoch_ends(self, n_seen):
        """Tell that so many rows have been seen since training began."""
        if self.kind == "invscaling":
            self.current = self.rate / math.pow(n_seen + 1, self.power_t)

    def no_progress(self):
        """Whether to stop as there was none; an adaptive rate goes down first."""
        if self.kind != "adaptive" or self.current <= LEAST_RATE:
            return True
        self.current /= ADAPTIVE_DIVISOR
        return False
