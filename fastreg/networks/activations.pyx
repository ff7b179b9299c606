"""Activations by name; their mathematics is in _simd/activate.h, value and slope side by side.

identity; logistic 1 / (1 + exp(-z)); tanh; relu max(z, 0); leaky_relu, 0.01 z below 0; elu, exp(z) - 1 below 0;
gelu z Phi(z) with the normal distribution function Phi; silu z / (1 + exp(-z)); softplus log(1 + exp(z)).
"""

import numpy as np

cimport numpy as cnp

from fastreg._simd.dispatch cimport kernels

cnp.import_array()

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus")


cdef fr_activation find_activation(const fr_net *net, str name) except? NULL:
    if name == "identity":
        return net.identity
    if name == "logistic":
        return net.logistic
    if name == "tanh":
        return net.tanh
    if name == "relu":
        return net.relu
    if name == "leaky_relu":
        return net.leaky_relu
    if name == "elu":
        return net.elu
    if name == "gelu":
        return net.gelu
    if name == "silu":
        return net.silu
    if name == "softplus":
        return net.softplus
    raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}.")


def activate(str name, z):
    """Values and slopes of an activation.

    Parameters
    ----------
    name : str
        One of ``ACTIVATIONS``.
    z : array-like
        float32 stays float32, all else becomes float64.

    Returns
    -------
    value, slope : ndarray of the shape of z
    """
    z = np.asarray(z)
    dtype = np.float32 if z.dtype == np.float32 else np.float64
    cdef const fr_net *net = &kernels.net32 if dtype is np.float32 else &kernels.net64
    cdef Py_ssize_t size = -(-z.size // net.width) * net.width
    cdef cnp.ndarray value = np.zeros(size, dtype), slope = np.zeros(size, dtype)
    value[: z.size] = z.ravel()
    find_activation(net, name)(1, size, 0, cnp.PyArray_DATA(value), cnp.PyArray_DATA(slope))
    return value[: z.size].reshape(z.shape), slope[: z.size].reshape(z.shape)
