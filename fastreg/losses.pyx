"""Losses in the raw prediction: value, derivatives, inverse link, valid targets, conjugate.

A loss l(raw, y) of a row sees the raw prediction only (x'w + intercept + offset of a linear model, the output before
the last activation of a network). The loops are in _simd/losses.h, once for float64 and float32; here they get names,
and what is needed once a fit. Deviances are halved and 0 where the prediction is perfect, as scikit-learn has them.
"""

import numpy as np
from scipy.special import entr, logit, logsumexp

cimport numpy as cnp

from fastreg._simd.dispatch cimport fr_function, kernels

cnp.import_array()


def weighted_quantile(y, weight, q):
    """Smallest y that a share q of the weight does not exceed."""
    order = np.argsort(y, kind="stable")
    total = np.cumsum(weight[order])
    return float(y[order][min(np.searchsorted(total, q * total[len(y) - 1]), len(y) - 1)])


def _check(y, name, allowed, ok):
    if not ok:
        raise ValueError(f"{name} takes {allowed}; y is between {np.min(y):.6g} and {np.max(y):.6g}.")


cdef class Loss:
    """A loss; the subclasses say which.

    Attributes
    ----------
    name : str
    has_curvature : bool
        Whether the second derivative says where the minimum is (it is 0 for absolute errors).
    convex : bool
        In the raw prediction, for every valid y.
    lipschitz : float
        Bound of the second derivative in the raw predictions of a row; inf where there is none.
    quadratic : bool
        Whether the second derivative is the same everywhere: one Newton step is exact.
    """

    name = None
    has_curvature = True
    convex = True
    quadratic = False
    lipschitz = np.inf

    def __reduce__(self):
        return type(self), ()

    def __eq__(self, other):
        return isinstance(other, Loss) and self.__reduce__() == other.__reduce__()

    def __hash__(self):
        return hash(self.__reduce__())

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(str(parameter) for parameter in self.__reduce__()[1])})"

    cdef double evaluate(self, bint f32, Py_ssize_t n, Py_ssize_t K, const void *raw, const void *y, const void *weight,
                         void *gradient, void *curvature) noexcept nogil:
        """Weighted sum of the losses of n rows with K raw predictions each (C order); y has as many targets.

        ``gradient`` and ``curvature`` (n, K), where not NULL, get the weighted first and second derivatives (for
        several outputs the diagonal). ``weight`` is one a row, or NULL for 1. Every array has the same float type.
        For the softmax loss y is the class number of each row.
        """
        return (self.f32 if f32 else self.f64)(n, K, raw, y, weight, gradient, curvature, self.params)

    def __call__(self, raw, y, weight=None):
        """(sum, gradient, curvature) of raw predictions (n,) or (n, K), in their float type; see ``evaluate``."""
        raw = np.ascontiguousarray(raw)
        if raw.dtype != np.float32:
            raw = raw.astype(np.float64)
        cdef cnp.ndarray r = raw, t = np.ascontiguousarray(y, dtype=raw.dtype), w
        cdef cnp.ndarray gradient = np.empty_like(raw), curvature = np.empty_like(raw)
        cdef const void *weights = NULL
        if weight is not None:
            w = np.ascontiguousarray(weight, dtype=raw.dtype)
            weights = cnp.PyArray_DATA(w)
        cdef Py_ssize_t n = raw.shape[0], K = 1 if raw.ndim == 1 else raw.shape[1]
        value = self.evaluate(raw.dtype == np.float32, n, K, cnp.PyArray_DATA(r), cnp.PyArray_DATA(t), weights,
                              cnp.PyArray_DATA(gradient), cnp.PyArray_DATA(curvature))
        return value, gradient, curvature

    def predict(self, raw):
        """Inverse link: predictions in the units of y; for labels and classes, probabilities."""
        return np.array(raw)

    def valid(self, y):
        """Raise ValueError where the loss has no value at some y."""

    def conjugate(self, u, y):
        """sup_r u r - l(r, y), by element (softmax: by row) in float64; inf outside of its domain, None if unknown."""
        if self.dual is NULL:
            return None
        cdef cnp.ndarray slope = np.ascontiguousarray(u, dtype=np.float64)
        cdef cnp.ndarray target = np.ascontiguousarray(np.broadcast_to(y, u.shape), dtype=np.float64)
        cdef cnp.ndarray out = np.empty_like(slope)
        self.dual(slope.size, <const double *> cnp.PyArray_DATA(slope), <const double *> cnp.PyArray_DATA(target),
                  <double *> cnp.PyArray_DATA(out), self.params)
        return out

    def out_of_reach(self, y):
        """Where no finite raw prediction has loss 0."""
        return np.zeros(np.shape(y), dtype=bool)

    def null_raw(self, y, weight):
        """The constant raw prediction of least weighted loss; infinite where it has no end (all y are 0, one class)."""
        return float(np.average(y, weights=weight))

    def null_beside(self, offset, y, weight):
        """The same where each row has an offset as well, or somewhere near it."""
        return self.null_raw(y - offset, weight)

    def size(self, raw):
        """Of the terms whose sum is a loss near 0, and which it is rounded as; ``raw`` is the best constant."""
        return 1.0


cdef class Squared(Loss):
    """1/2 (y - raw)^2."""

    name = "squared"
    lipschitz = 1.0
    quadratic = True

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.squared, kernels.loss32.squared
        self.dual = kernels.conjugate.squared


cdef class Absolute(Loss):
    """|y - raw|: the median."""

    name = "absolute"
    has_curvature = False

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.absolute, kernels.loss32.absolute
        self.dual = kernels.conjugate.absolute

    def null_raw(self, y, weight):
        return weighted_quantile(y, weight, 0.5)


cdef class Huber(Loss):
    """1/2 (y - raw)^2 up to an error of ``epsilon``, linear beyond.

    Parameters
    ----------
    epsilon : float > 0, default=1.35
        In units of y.
    """

    name = "huber"
    lipschitz = 1.0

    def __cinit__(self, double epsilon=1.35):
        if not epsilon > 0:
            raise ValueError(f"epsilon must be positive; got {epsilon}.")
        self.f64, self.f32 = kernels.loss64.huber, kernels.loss32.huber
        self.dual = kernels.conjugate.huber
        self.params[0] = epsilon

    def __reduce__(self):
        return type(self), (self.params[0],)

    @property
    def epsilon(self):
        """Where the loss becomes linear."""
        return self.params[0]

    def null_raw(self, y, weight):
        low, high, mid = float(np.min(y)), float(np.max(y)), float(np.median(y))
        for _ in range(200):        # the slope is monotone: Newton steps inside of a bracket
            error = np.clip(mid - y, -self.epsilon, self.epsilon)
            slope, inside = float(np.dot(weight, error)), float(np.dot(weight, np.abs(error) < self.epsilon))
            if abs(slope) <= 1e-16 * np.dot(weight, np.abs(error)):
                break
            low, high = (mid, high) if slope < 0 else (low, mid)
            mid = mid - slope / inside if inside > 0 else low
            if not low < mid < high:
                mid = 0.5 * (low + high)
                if not low < mid < high:
                    break
        return mid


cdef class Quantile(Loss):
    """q (y - raw) where y is above, (1 - q) (raw - y) where it is below: the q-quantile.

    Parameters
    ----------
    q : float in (0, 1), default=0.5
    """

    name = "quantile"
    has_curvature = False

    def __cinit__(self, double q=0.5):
        if not 0 < q < 1:
            raise ValueError(f"q must be between 0 and 1; got {q}.")
        self.f64, self.f32 = kernels.loss64.quantile, kernels.loss32.quantile
        self.dual = kernels.conjugate.quantile
        self.params[0] = q

    def __reduce__(self):
        return type(self), (self.params[0],)

    @property
    def q(self):
        """The share of rows below the prediction."""
        return self.params[0]

    def null_raw(self, y, weight):
        return weighted_quantile(y, weight, self.q)


cdef class LogLink(Loss):
    """What losses with mean exp(raw) share: slopes are ``exp((2 - power) raw) - y exp((1 - power) raw)``."""

    def out_of_reach(self, y):
        return np.asarray(y) <= 0

    def predict(self, raw):
        raw = np.array(raw, order="C")
        if raw.dtype != np.float32:
            raw = raw.astype(np.float64)
        cdef cnp.ndarray a = raw
        (kernels.math32 if raw.dtype == np.float32 else kernels.math64).exp(
            raw.size, cnp.PyArray_DATA(a), cnp.PyArray_DATA(a))
        return raw

    def null_raw(self, y, weight):
        with np.errstate(divide="ignore"):
            return float(np.log(max(np.average(y, weights=weight), 0.0)))

    def null_beside(self, offset, y, weight):
        up, up_sign = logsumexp((1 - self.power) * offset, b=weight * y, return_sign=True)
        return float(up - logsumexp((2 - self.power) * offset, b=weight)) if up_sign > 0 else -np.inf

    def size(self, raw):
        return float(np.exp((2 - self.power) * raw) * (1 + abs(raw))) if np.isfinite(raw) else 1.0


cdef class Poisson(LogLink):
    """Half the Poisson deviance of mean exp(raw): exp(raw) - y raw + y log y - y."""

    name = "poisson"
    power = 1

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.poisson, kernels.loss32.poisson
        self.dual = kernels.conjugate.poisson

    def valid(self, y):
        _check(y, "Poisson loss", "y >= 0", np.min(y) >= 0)


cdef class Gamma(LogLink):
    """Half the Gamma deviance of mean exp(raw): raw + y exp(-raw) - log y - 1."""

    name = "gamma"
    power = 2

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.gamma, kernels.loss32.gamma
        self.dual = kernels.conjugate.gamma

    def valid(self, y):
        _check(y, "Gamma loss", "y > 0", np.min(y) > 0)


cdef class Tweedie(LogLink):
    """Half the Tweedie deviance of mean exp(raw) and variance mean^power; powers 0, 1, 2: normal, Poisson, Gamma.

    Parameters
    ----------
    power : float, default=1.5
        Not between 0 and 1 (no distribution has it). The loss is convex for powers from 1 to 2.
    """

    name = "tweedie"

    def __cinit__(self, double power=1.5):
        if 0 < power < 1:
            raise ValueError(f"power must not be between 0 and 1: no distribution has it; got {power}.")
        self.params[0] = power
        if power == 1:
            self.f64, self.f32 = kernels.loss64.poisson, kernels.loss32.poisson
            self.dual = kernels.conjugate.poisson
        elif power == 2:
            self.f64, self.f32 = kernels.loss64.gamma, kernels.loss32.gamma
            self.dual = kernels.conjugate.gamma
        else:
            self.f64, self.f32 = kernels.loss64.tweedie, kernels.loss32.tweedie

    def __reduce__(self):
        return type(self), (self.params[0],)

    @property
    def power(self):
        """The variance is the mean to this power."""
        return self.params[0]

    @property
    def convex(self):
        """Whether it is, in the raw prediction."""
        return 1 <= self.power <= 2

    def valid(self, y):
        if self.power >= 2:
            _check(y, f"Tweedie loss of power {self.power:g}", "y > 0", np.min(y) > 0)
        elif self.power >= 1:
            _check(y, f"Tweedie loss of power {self.power:g}", "y >= 0", np.min(y) >= 0)

    def conjugate(self, u, y):
        if self.power in (1, 2) or not self.convex:
            return Loss.conjugate(self, u, y)
        # No closed form: the r at which the slope exp(a r) - y exp(b r) is u. The logarithm of one exponential is that
        # of the other plus |u|: concave in r, so Newton steps from the outer of its two limits don't overshoot.
        a, b = 2 - self.power, 1 - self.power
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            positive, up, size = y > 0, u >= 0, np.abs(u)
            zero = np.where(u > 0, u * (np.log(u) - 1) / a, np.where(u == 0, 0.0, np.inf))      # y = 0
            log = np.log(np.where(positive, y, 1.0))
            here, there = np.where(up, a, b), np.where(up, b, a)
            low, high = np.where(up, 0.0, log), np.where(up, log, 0.0)
            r = np.where(up, np.fmax(log, np.log(size) / a), np.fmin(log, (np.log(size) - log) / b))
            for _ in range(100):
                other = np.exp(high + there * r)
                step = (low + here * r - np.log(size + other)) / (here - there * other / (size + other))
                r = np.where(positive, r - step, r)
                if not (np.abs(step[positive]) > 1e-9 * (1 + np.abs(r[positive]))).any():
                    break
            A, B = np.exp(a * r), y * np.exp(b * r)
            constant = np.where(positive, np.exp(a * log), 0) / (a * b)
            return np.where(positive, u * r - A / a + B / b - constant, zero)


cdef class Logistic(Loss):
    """log(1 + exp(raw)) - y raw, y 0 or 1 (or a share between them); several outputs are independent labels."""

    name = "logistic"
    lipschitz = 0.25

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.logistic, kernels.loss32.logistic
        self.dual = kernels.conjugate.logistic

    def valid(self, y):
        _check(y, "Logistic loss", "y from 0 to 1", np.min(y) >= 0 and np.max(y) <= 1)

    def predict(self, raw):
        raw = np.array(raw, order="C")
        if raw.dtype != np.float32:
            raw = raw.astype(np.float64)
        cdef cnp.ndarray a = raw
        (kernels.math32 if raw.dtype == np.float32 else kernels.math64).sigmoid(
            raw.size, cnp.PyArray_DATA(a), cnp.PyArray_DATA(a))
        return raw

    def out_of_reach(self, y):
        return (np.asarray(y) == 0) | (np.asarray(y) == 1)

    def null_beside(self, offset, y, weight):
        return self.null_raw(y, weight) - np.average(offset, weights=weight)    # no closed form

    def null_raw(self, y, weight):
        return float(logit(np.average(y, weights=weight)))


cdef class Softmax(Loss):
    """Cross-entropy of K classes: log sum_k exp(raw_k) - raw_y; y holds class numbers 0..K-1."""

    name = "softmax"
    lipschitz = 0.5

    def __cinit__(self):
        self.f64, self.f32 = kernels.loss64.softmax, kernels.loss32.softmax

    def valid(self, y):
        _check(y, "Softmax loss", "class numbers 0, 1, ...", np.min(y) >= 0 and np.all(np.mod(y, 1) == 0))

    def predict(self, raw):
        e = np.exp(raw - np.max(raw, axis=-1, keepdims=True))
        e /= e.sum(axis=-1, keepdims=True)
        return e

    def conjugate(self, u, y):
        v = np.array(u, dtype=np.float64)
        v[np.arange(len(v)), np.asarray(y, dtype=np.intp)] += 1
        return -entr(v).sum(axis=1)         # u sums to 0 over the classes

    def null_raw(self, y, weight):
        """(K,), of mean 0 over the classes that are there."""
        share = np.bincount(np.asarray(y, dtype=np.intp), weights=weight)
        with np.errstate(divide="ignore"):
            raw = np.log(share / share.sum())
        return raw - raw[np.isfinite(raw)].mean()


LOSSES = {loss.name: loss for loss in (Squared, Absolute, Huber, Quantile, Poisson, Gamma, Tweedie, Logistic, Softmax)}


def get_loss(loss):
    """A Loss by its name ("squared", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie", "logistic",
    "softmax"), with the default parameters; a Loss is returned as it is."""
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss must be a Loss or one of {', '.join(LOSSES)}; got {loss!r}.")
    return LOSSES[loss]()


def vector_function(name, x):
    """One of the vector functions (exp, log, log1p, expm1, tanh, erf, sigmoid) on a float32 or float64 array."""
    cdef cnp.ndarray a = np.array(x, order="C")
    which = ("exp", "log", "log1p", "expm1", "tanh", "erf", "sigmoid").index(name)
    cdef const fr_function *table = <const fr_function *> (
        &kernels.math32 if a.dtype == np.float32 else &kernels.math64)
    table[<Py_ssize_t> which](a.size, cnp.PyArray_DATA(a), cnp.PyArray_DATA(a))
    return a
