"""The one gate where user input is checked.

Two speeds. Plain input (a 2-D float array with a matching y, parameters that are plain Python numbers) is
accepted by a handful of comparisons, because a fit on a few hundred rows lasts less than a hundred
microseconds and scikit-learn's general checks alone last longer. Anything unusual, and anything wrong, goes
through scikit-learn's own functions, so the error classes and messages are scikit-learn's.

Nothing here casts X to float: the `Design` reads every real dtype in place.
"""

from fastreg._validation.data import (
    check_finite_solution,
    check_fit_data,
    check_offset,
    check_path_data,
    check_predict_data,
    check_sample_weight,
    is_plain,
)
from fastreg._validation.parameters import (
    check_alphas,
    check_arguments,
    check_bounds,
    check_groups,
    check_params,
    check_ratios,
    check_strength,
)

__all__ = [
    "check_alphas",
    "check_arguments",
    "check_bounds",
    "check_finite_solution",
    "check_fit_data",
    "check_groups",
    "check_offset",
    "check_params",
    "check_path_data",
    "check_predict_data",
    "check_ratios",
    "check_sample_weight",
    "check_strength",
    "is_plain",
]
