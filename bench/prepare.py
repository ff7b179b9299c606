"""Before the rivals run: make a workload's data, its reference curve and measure the machine.

``python -m bench.prepare REQUEST.json ANSWER.json``, in a process of its own so that nothing stays in memory.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from bench import machine, networks
from bench.data import WORKS, problem


def reference_curve(work, task, cache, quick):
    """Path of the curve that cross-validation and leave-one-out are judged by; None for other work."""
    if work.family not in ("cv", "loo"):
        return None
    from bench.rivals.bare import fold_curve, loo_errors

    file = Path(cache) / f"{work.name}{'-quick' if quick else ''}-curve.npy"
    if not file.exists():
        if work.family == "cv":
            curve = fold_curve(task.X, task.y, task)
        else:
            curve = loo_errors(task.X, task.y, task.alphas)[0]
        np.save(file, curve)
    return str(file)


def least_work(work, task):
    """Bytes of X and the flops that no method known to us avoids.

    Ridge: one Gram matrix of the short side; leave-one-out: that, X times the eigenvectors, and two products
    for each alpha; cross-validation: one Gram matrix for all folds. Lasso: one X'r for each certificate, or a
    Gram matrix where that is less.
    """
    X, alphas = task.X, task.alphas.size
    n, p = X.shape
    if sp.issparse(X):
        return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes, 2.0 * X.nnz * alphas
    gram = float(n) * p * min(n, p)
    flops = {
        "path": min(gram, 2.0 * n * p * alphas),
        "cv": gram,
        "ridge": gram,
        "loo": 3.0 * gram + 4.0 * n * p * alphas,
    }.get(work.family, 2.0 * n * p)
    return X.nbytes, flops


def main(request_path, answer_path):
    with open(request_path) as file:
        request = json.load(file)
    cache, quick = request["cache"], request["quick"]
    if request["work"] in networks.NETWORKS:
        work = networks.NETWORKS[request["work"]]
        task = networks.network_problem(work, quick=quick)
        answer = {"shape": task.X.shape, "bytes": task.X.nbytes, "flops": networks.flops(work, task)}
        answer["epochs"] = max(1, len(task.batches))
        answer["reference"] = networks.reference(work, task, cache, quick)
    else:
        work = WORKS[request["work"]]
        task = problem(work, cache, quick=quick)
        size, flops = least_work(work, task)
        answer = {"shape": task.X.shape, "bytes": size, "flops": flops}
        answer["reference"] = reference_curve(work, task, cache, quick)
    del task
    machine.wait_for_quiet(request["patience"])
    answer["machine"] = machine.measure(request["threads"], quick=request["quick"])
    with open(answer_path, "w") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
