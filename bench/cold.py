"""What a fresh process pays once: ``python -m bench.cold IMPORT RIVAL MODULE``.

Prints JSON: seconds to import scikit-learn's linear_model, what the rival's import adds to it, and its first
fit (a lasso on diabetes), compilation included.
"""

import json
import sys
import time
import warnings


def main(imports, name, module):
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    import sklearn.linear_model  # noqa: F401

    base = time.perf_counter() - start
    start = time.perf_counter()
    __import__(imports)
    adds = time.perf_counter() - start

    from sklearn.datasets import load_diabetes

    from bench.data import Problem, alpha_max
    from bench.rivals import load_rivals

    rival = next(r for r in load_rivals(modules=[module])[0] if r.name == name)
    X, y = load_diabetes(return_X_y=True)
    task = Problem(rival.layout(X), y, [alpha_max(X, y, 1.0, True) * 0.05], 1.0, True)
    tol = rival.grid("single")[0]
    times = []
    for _ in range(2):
        start = time.perf_counter()
        rival.functions["single"](task.X, y, task, tol)
        times.append(time.perf_counter() - start)
    print(json.dumps({"sklearn": base, "adds": adds, "first_fit": times[0], "second_fit": times[1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
