"""How far to go along a step whose model promises a decrease: backtracking by Armijo's rule."""

import numpy as np

ARMIJO = 1e-2  # share of the promised decrease that a step must make
ROUNDING = 1e-14  # of the objective's parts, by which it may rise
HALVINGS = 60


def line_search(trial, value, charge, slope):
    """(share of the way to go, what the trial found there), or (0, None) where the objective falls nowhere.

    Parameters
    ----------
    trial : callable
        Of a share of the way: (the objective there, what to hand back).
    value, charge : float
        Loss and penalty at the start.
    slope : float
        What the model says that the whole way adds to the objective.
    """
    start, rounding, t = value + charge, ROUNDING * (abs(value) + charge), 1.0
    if not slope <= rounding:
        return 0.0, None
    for _ in range(HALVINGS):
        objective, found = trial(t)
        if objective <= start + ARMIJO * t * slope + rounding:
            return t, found
        t *= 0.5 if np.isfinite(objective) else 0.1
    return 0.0, None
