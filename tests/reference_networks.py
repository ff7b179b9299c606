"""Plain NumPy twins of Network and Trainer: the same mathematics in float64, slow and obviously right."""

import numpy as np
from scipy import sparse
from scipy.special import erf, expit

from fastreg.losses import get_loss

# name: (value, slope), both of the pre-activation
ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.exp(np.minimum(z, 0))),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "softplus": (lambda z: np.logaddexp(0, z), expit),
    "gelu": (
        lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
        lambda z: (1 + erf(z / np.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
}


class PlainNetwork:
    """Twin of `fastreg.networks.Network`."""

    def __init__(self, sizes, activations, loss, dtype=np.float64):
        self.sizes, self.activations = tuple(sizes), tuple(activations)
        self.loss, self.dtype = get_loss(loss), np.dtype(dtype)
        self.weights = [np.zeros(shape) for shape in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.zeros(size) for size in sizes[1:]]

    def forward(self, X, masks=None):
        """Pre-activations of every layer, and its inputs (masks multiply the hidden outputs)."""
        inputs, pre = [np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)], []
        for k, (W, b) in enumerate(zip(self.weights, self.biases)):
            pre.append(inputs[-1] @ W + b)
            if k < len(self.activations):
                out = ACTIVATIONS[self.activations[k]][0](pre[-1])
                inputs.append(out if masks is None else out * masks[k])
        return pre, inputs

    def raw(self, X):
        return self.forward(X)[0][-1]

    def objective(self, X, Y, sample_weight=None):
        return self.gradient(X, Y, sample_weight)[0]

    def gradient(self, X, Y, sample_weight=None, masks=None, activity=None):
        """(mean weighted loss, gradients of the weights, of the biases); activity charges are in the gradients."""
        s = np.ones(X.shape[0]) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        pre, inputs = self.forward(X, masks)
        value, delta, _ = self.loss(np.ascontiguousarray(pre[-1]), np.asarray(Y, dtype=float), s)
        delta = delta.reshape(pre[-1].shape)
        gW, gb = [None] * len(self.weights), [None] * len(self.weights)
        for k in range(len(self.weights) - 1, -1, -1):
            gW[k], gb[k] = inputs[k].T @ delta / s.sum(), delta.sum(axis=0) / s.sum()
            if k:
                back = delta @ self.weights[k].T
                if activity is not None and activity[k - 1] is not None:
                    l1, l2 = activity[k - 1]
                    back = back + s[:, None] * (l1 * np.sign(inputs[k]) + l2 * inputs[k])
                delta = back * ACTIVATIONS[self.activations[k - 1]][1](pre[k - 1])
                if masks is not None:
                    delta *= masks[k - 1]
        return value / s.sum(), gW, gb


class PlainSGD:
    """v = momentum v - rate g; the velocity kept is the displacement made, prox included."""

    def __init__(self, momentum=0.9, nesterov=True):
        self.momentum, self.nesterov = momentum, nesterov

    def step(self, w, g, state, rate, t, penalty):
        v = self.momentum * state.get("v", 0.0) - rate * g
        z = w - rate * g if self.nesterov else w + v
        x = z if penalty is None else penalty.prox(z, rate)
        v = v + (x - z)
        if self.nesterov:
            v = np.where(x == 0, 0.0, v) if penalty is not None else v
            ahead = np.where(x == 0, 0.0, x + self.momentum * v)
            if penalty is not None and penalty.constrains:
                ahead = penalty.prox(ahead)
                v = (ahead - x) / self.momentum
        state["v"] = v
        return ahead if self.nesterov else x


class PlainAdam:
    """Adam with the prox in its own metric."""

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, w, g, state, rate, t, penalty):
        m = state["m"] = self.beta_1 * state.get("m", 0.0) + (1 - self.beta_1) * g
        v = state["v"] = self.beta_2 * state.get("v", 0.0) + (1 - self.beta_2) * g**2
        h = rate * np.sqrt(1 - self.beta_2**t) / (np.sqrt(v) + self.epsilon)
        z = w - h * m / (1 - self.beta_1**t)
        return z if penalty is None else penalty.prox(z, h)


class PlainTrainer:
    """Twin of `fastreg.networks.Trainer`, without dropout."""

    def __init__(
        self,
        net,
        optimizer,
        penalties,
        bias_penalties=None,
        dropout=None,
        activity=None,
        clip=None,
        decoupled_decay=0.0,
    ):
        self.net, self.optimizer, self.activity, self.clip = net, optimizer, activity, clip
        self.penalties = list(penalties) + list(bias_penalties or [None] * len(net.biases))
        self.decay, self.t, self.state = decoupled_decay, 0, [{} for _ in self.penalties]

    def epoch(self, X, Y, sample_weight, order, batch_size, lr, dropout_seed=0):
        total = 0.0
        for k, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            s = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
            loss, gW, gb = self.net.gradient(X[rows], Y[rows], s, activity=self.activity)
            gradients = gW + gb
            size = np.sqrt(sum(np.sum(g**2) for g in gradients))
            if self.clip is not None and size > self.clip:
                gradients = [g * (self.clip / size) for g in gradients]
            self.t += 1
            rate = lr if np.ndim(lr) == 0 else lr[k]
            for i, (w, g) in enumerate(zip(self.net.weights + self.net.biases, gradients)):
                decayed = w * (1 - rate * self.decay) if i < len(gW) else w
                w[...] = self.optimizer.step(decayed, g, self.state[i], rate, self.t, self.penalties[i])
            total += loss * len(rows)  # as scikit-learn counts batches, whatever their rows weigh
        return total / len(order)
