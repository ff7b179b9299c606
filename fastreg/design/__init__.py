"""What the solvers see of X: one Design, whatever the storage."""

from .design import Design

__all__ = ["Design"]
