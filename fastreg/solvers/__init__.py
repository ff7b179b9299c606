"""Solvers: one file an algorithm; they see a Design and a penalty, and return a Path, or a RidgeResult."""

from .folds import cv_errors
from .glm_folds import FoldPaths, glm_fold_paths
from .glm_path import glm_alpha_grid, solve_glm
from .huber import solve_huber
from .multinomial_path import multinomial_alpha_grid, solve_multinomial
from .path import alpha_grid, solve_path
from .quantile import solve_quantile
from .result import Path

__all__ = [
    "FoldPaths",
    "Path",
    "alpha_grid",
    "cv_errors",
    "glm_alpha_grid",
    "glm_fold_paths",
    "multinomial_alpha_grid",
    "solve_glm",
    "solve_huber",
    "solve_multinomial",
    "solve_path",
    "solve_quantile",
]
