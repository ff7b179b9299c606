"""What a penalty on a layer of weights is: value, prox and subdifferential distance.

W has shape (n_in, n_out), in C order: a column holds what comes into a neuron, a row what goes out of an input. Biases
are a layer with one row. A penalty is a value: it never changes, equal arguments make equal penalties, and ``scaled``
makes another one. ``prox_layer`` is what optimizers call on the weights in place, with one step for all or, for
Adam, one a weight: the minimiser of ``sum (w - v)^2 / (2 step) + penalty(w)``, a prox in the optimizer's own metric, so
that its fixed points are the stationary points of loss + penalty.

``Separable`` penalties are sums over weights and say the mathematics of one (in double, from scalar.pxd); the loops
are here.
"""

import numpy as np

from libc.math cimport INFINITY

cdef Py_ssize_t PART = 1 << 14

ctypedef fused real:
    float
    double


cdef void prox_loop(Separable penalty, Py_ssize_t n, real *w, const real *step, double h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = <real>penalty.prox_one(w[i], h if step is NULL else step[i])


cdef class Penalty:
    """A penalty on the weights of a layer.

    Attributes
    ----------
    l1, l2 : float
        The penalty is ``l1 |w| + l2 / 2 w^2`` of every weight, if `fused`.
    fused : bool
        Whether `l1` and `l2` are all there is.
    constrains : bool
        Whether it forbids some weights, where its value is infinite, and charges none.
    args : tuple
        Arguments of the constructor.
    """

    names = ()          # of the constructor's arguments

    cdef void prox_layer(self, bint f32, Py_ssize_t n_in, Py_ssize_t n_out, void *w, const void *step,
                         double scalar_step) noexcept nogil:
        pass

    def value(self, W):
        """Penalty of a layer.

        Parameters
        ----------
        W : ndarray of shape (n_in, n_out) or (n_out,)

        Returns
        -------
        float
            Infinite outside of bounds.
        """
        raise NotImplementedError

    def violation(self, W, G):
        """Distance of -G from the subdifferential at W: how far W is from stationary where the loss has gradient G.

        Parameters
        ----------
        W, G : ndarray of shape (n_in, n_out) or (n_out,)

        Returns
        -------
        ndarray of float64 of that shape
            A block's distance stands at each of its weights.
        """
        raise NotImplementedError

    def scaled(self, factor):
        """The penalty times a number; what only allows or forbids stays as it is.

        Parameters
        ----------
        factor : float
            Non-negative.

        Returns
        -------
        Penalty
        """
        raise NotImplementedError

    def prox(self, W, step=1.0):
        """Minimiser of ``sum (w - W)^2 / (2 step) + penalty(w)``.

        Parameters
        ----------
        W : ndarray of shape (n_in, n_out) or (n_out,)
        step : float or ndarray of the shape of W, default=1.0
            Positive.

        Returns
        -------
        ndarray of the shape of W
            float32 for float32, else float64.
        """
        dtype = np.float32 if getattr(W, "dtype", None) == np.float32 else np.float64
        out = np.array(W, dtype=dtype, order="C", ndmin=1)
        flat = out.reshape(1, -1) if out.ndim == 1 else out
        cdef Py_ssize_t n_in = flat.shape[0], n_out = flat.shape[1]
        cdef bint f32 = dtype is np.float32
        cdef size_t w = flat.ctypes.data, h = 0
        cdef double scalar = 0
        if np.ndim(step):
            step = np.ascontiguousarray(np.broadcast_to(step, out.shape), dtype=dtype)
            h = step.ctypes.data
        else:
            scalar = step
        if out.size:
            with nogil:
                self.prox_layer(f32, n_in, n_out, <void *>w, <const void *>h, scalar)
        return out

    def __reduce__(self):
        return type(self), self.args

    def __eq__(self, other):
        return type(self) is type(other) and self.args == (<Penalty>other).args

    def __hash__(self):
        return hash((type(self), self.args))

    def __repr__(self):
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self.names, self.args))
        return f"{type(self).__name__}({shown})"


cdef class Separable(Penalty):
    """A sum over weights.

    A subclass says, for one weight, its charge, its prox, the interval of slopes (the subdifferential) and, where the
    weight is not 0, the second derivative. Where ``scaled(f)`` is not f times the charge, it says the four of that too:
    features of a linear model have factors.
    """

    cdef double charge_one(self, double w) noexcept nogil:
        return 0.0

    cdef double prox_one(self, double v, double h) noexcept nogil:
        return v

    cdef void slopes_one(self, double w, double *low, double *high) noexcept nogil:
        low[0] = high[0] = 0.0

    cdef double curvature_one(self, double w) noexcept nogil:
        return 0.0

    cdef double charge_scaled(self, double f, double w) noexcept nogil:
        return f * self.charge_one(w)

    cdef double prox_scaled(self, double f, double v, double h) noexcept nogil:
        return self.prox_one(v, f * h)

    cdef void slopes_scaled(self, double f, double w, double *low, double *high) noexcept nogil:
        self.slopes_one(w, low, high)
        low[0] *= f
        high[0] *= f

    cdef double curvature_scaled(self, double f, double w) noexcept nogil:
        return f * self.curvature_one(w)

    cdef void prox_layer(self, bint f32, Py_ssize_t n_in, Py_ssize_t n_out, void *w, const void *step,
                         double scalar_step) noexcept nogil:
        if f32:
            prox_loop[float](self, n_in * n_out, <float *>w, <const float *>step, scalar_step)
        else:
            prox_loop[double](self, n_in * n_out, <double *>w, <const double *>step, scalar_step)

    def value(self, W):
        # a part at a time, as a copy in double may be twice the layer
        W = np.atleast_2d(W)
        cdef const double[::1] w
        cdef double total = 0
        cdef Py_ssize_t i, rows = max(1, PART // max(1, W.shape[1]))
        for start in range(0, W.shape[0], rows):
            w = np.ascontiguousarray(W[start: start + rows], dtype=np.float64).reshape(-1)
            with nogil:
                for i in range(w.shape[0]):
                    total += self.charge_one(w[i])
        return total

    def violation(self, W, G):
        out = np.array(G, dtype=np.float64, order="C")
        cdef double[::1] g = out.reshape(-1)
        cdef const double[::1] w = np.ascontiguousarray(W, dtype=np.float64).ravel()
        cdef double low, high
        cdef Py_ssize_t i
        with nogil:
            for i in range(w.shape[0]):
                self.slopes_one(w[i], &low, &high)
                if low > high:          # outside of bounds
                    g[i] = INFINITY
                else:
                    g[i] = max(low + g[i], -g[i] - high, 0.0)
        return out


def positive(value, name, least=0.0):
    """`value` as a finite float of at least `least`.

    Parameters
    ----------
    value : float
    name : str
        For the message.
    least : float, default=0.0

    Returns
    -------
    float

    Raises
    ------
    ValueError
    """
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, got {value!r}.") from error
    if not least <= number < INFINITY:
        raise ValueError(f"{name} must be finite and >= {least:g}, got {value!r}.")
    return number
