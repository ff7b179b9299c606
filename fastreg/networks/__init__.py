"""Feed-forward networks trained in compiled loops: Network, Trainer and the optimizers."""

from fastreg.networks.network import Network
from fastreg.networks.optimizers import SGD, Adam
from fastreg.networks.trainer import Trainer

__all__ = ["SGD", "Adam", "Network", "Trainer"]
