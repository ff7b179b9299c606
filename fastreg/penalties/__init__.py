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

NAMES = {
    "l1": L1,
    "l2": L2,
    "l1_l2": lambda alpha: L1L2(2 * alpha, 0.5),
    "mcp": MCP,
    "scad": SCAD,
    "exp_abs": ExpAbs,
    "group_l1": GroupL1,
}


def as_penalty(value, alpha=None):
    """A penalty from what a user may write.

    Parameters
    ----------
    value : None, Penalty or {'l1', 'l2', 'l1_l2', 'mcp', 'scad', 'exp_abs', 'group_l1'}
        The first three as in Keras: ``"l1_l2"`` is ``alpha |w| + alpha / 2 w^2``.
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
    name = value.lower().replace("l1l2", "l1_l2")
    if name not in NAMES:
        raise ValueError(f"Unknown penalty {value!r}: use one of {sorted(NAMES)}, or a penalty such as L1(0.01).")
    return NAMES[name](alpha)
