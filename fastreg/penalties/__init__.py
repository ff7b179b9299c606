"""Penalties: value, prox and certificate or subdifferential distance, once.

Those named here charge the weights of a network's layers. What linear solvers work with, a factor and bounds for each
feature, is `fastreg.penalties.features`; both share the mathematics of one coordinate.
"""

from fastreg.penalties.blocks import GroupL1, MaxNorm
from fastreg.penalties.penalty import Penalty
from fastreg.penalties.separable import L1, L1L2, L2, MCP, SCAD, Bounds, ExpAbs, NonNegative
from fastreg.penalties.slope import SLOPE

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "MCP",
    "SCAD",
    "SLOPE",
    "Bounds",
    "ExpAbs",
    "GroupL1",
    "MaxNorm",
    "NonNegative",
    "Penalty",
    "as_penalty",
]


def as_penalty(value, alpha=None):
    """A penalty from what a user may write.

    Parameters
    ----------
    value : None, Penalty or {'l1', 'l2', 'l1_l2'}
        Strings as in Keras: ``"l1_l2"`` is ``alpha |w| + alpha / 2 w^2``.
    alpha : float
        The strength where `value` is a string.

    Returns
    -------
    None or Penalty

    Raises
    ------
    ValueError
        A string that is not known.
    TypeError
        Anything else.
    """
    if value is None or isinstance(value, Penalty):
        return value
    if not isinstance(value, str):
        raise TypeError(f"A penalty is None, a string or one of fastreg's penalties such as L1(0.01), got {value!r}.")
    known = {"l1": L1(alpha), "l2": L2(alpha), "l1_l2": L1L2(2 * alpha, 0.5)}
    name = value.lower().replace("l1l2", "l1_l2")
    if name not in known:
        raise ValueError(f"Unknown penalty {value!r}: use one of {sorted(known)}, or a penalty such as L1(0.01).")
    return known[name]
