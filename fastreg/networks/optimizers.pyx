"""Optimizers: their numbers; the step itself, prox included, is in _simd/update.h.

One is a file's worth of a step there and a class here that fills in ``fr_update`` for step t = 1, 2, ...
"""

from libc.math cimport pow, sqrt


cdef class Optimizer:
    """What a Trainer asks of an optimizer."""

    cdef void prepare(self, const fr_net *net, fr_update *u, double rate, Py_ssize_t t) noexcept nogil:
        """The step of an update and its numbers."""

    cdef bint settles(self) noexcept nogil:
        """Whether a prox that is a pass of its own has to be told to the velocities."""
        return False


cdef class SGD(Optimizer):
    """Stochastic gradient descent with scikit-learn's momentum.

    Parameters
    ----------
    momentum : float in [0, 1], default=0.0
    nesterov : bool, default=False
    """

    def __cinit__(self, double momentum=0.0, bint nesterov=False):
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be in [0, 1]; got {momentum}.")
        self.momentum, self.nesterov = momentum, nesterov and momentum > 0
        self.moments = momentum > 0

    def __reduce__(self):
        return SGD, (self.momentum, self.nesterov)

    cdef void prepare(self, const fr_net *net, fr_update *u, double rate, Py_ssize_t t) noexcept nogil:
        u.step = net.sgd if self.moments == 0 else (net.nesterov if self.nesterov else net.heavy_ball)
        u.rate, u.momentum = rate, self.momentum

    cdef bint settles(self) noexcept nogil:
        return self.moments > 0


cdef class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), with epsilon where scikit-learn has it.

    Parameters
    ----------
    beta_1, beta_2 : float in [0, 1), default=0.9 and 0.999
    epsilon : float > 0, default=1e-8
    """

    def __cinit__(self, double beta_1=0.9, double beta_2=0.999, double epsilon=1e-8):
        for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name} must be in [0, 1); got {beta}.")
        if not epsilon > 0:
            raise ValueError(f"epsilon must be positive; got {epsilon}.")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.moments = 2

    def __reduce__(self):
        return Adam, (self.beta_1, self.beta_2, self.epsilon)

    cdef void prepare(self, const fr_net *net, fr_update *u, double rate, Py_ssize_t t) noexcept nogil:
        u.step = net.adam
        u.rate, u.beta1, u.beta2, u.epsilon = rate, self.beta_1, self.beta_2, self.epsilon
        u.correct1, u.correct2 = 1 / (1 - pow(self.beta_1, t)), sqrt(1 - pow(self.beta_2, t))
