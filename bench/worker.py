"""One rival on one workload in a process of its own: ``python -m bench.worker REQUEST.json EVENTS.jsonl``.

Each event is one line, written at once: what was found before a time limit struck is kept. Fits go from the
loosest tolerance to the tightest until the judge finds the gap small enough; that tolerance is then repeated
and its median counts.
"""

import gc
import json
import statistics
import sys
import time
import warnings
from dataclasses import replace
from functools import partial

import numpy as np

from bench import machine, objective
from bench.data import GAMMA, GROUP, WORKS, problem
from bench.rivals import load_rivals

# A cross-validation curve moves by about the gap's size; this many times the level is let through.
CURVE_SLACK = 10.0


def fit(rival, work, task, X, tol):
    """One timed fit: (seconds, answer). Several targets on one X are separate fits of one workload."""
    function = rival.functions[work.family]
    tasks = [task] if task.y.ndim == 1 else [task.target(t) for t in range(task.y.shape[1])]
    start = time.perf_counter()
    answers = [function(X, one.y, one, tol) for one in tasks]
    seconds = time.perf_counter() - start
    if all(isinstance(a, tuple) and len(a) == 3 for a in answers):  # R times itself
        seconds = sum(a[2] for a in answers)
    return seconds, answers


def judge(work, task, answers, reference):
    """Relative gap (of a path: the worst) and, for cross-validation, the curve's error; bare calls: None."""
    if isinstance(answers[0], np.ndarray):
        return None
    tasks = [task] if task.y.ndim == 1 else [task.target(t) for t in range(task.y.shape[1])]
    gaps, extra = [], {}
    for one, answer in zip(tasks, answers, strict=True):
        if isinstance(answer, dict):
            best = int(np.argmin(np.abs(np.log(one.alphas / answer["alpha"]))))
            one = replace(one, alphas=one.alphas[best : best + 1])
            coefs, intercepts = answer["coef"], answer["intercept"]
            if "curve" in answer:
                extra["curve_error"] = objective.curve_error(answer["curve"], reference)
            elif "score" in answer:
                score = abs(float(answer["score"]))
                extra["curve_error"] = abs(score - reference.min()) / reference.max()
            extra["best"] = best
            if reference is not None:
                extra["best_reference"] = int(np.argmin(reference))
        else:
            coefs, intercepts = answer[:2]
            if np.size(intercepts) == 1:
                intercepts = float(np.ravel(intercepts)[0])
        l1, l2 = one.strengths(ridge=work.family in ("ridge", "loo"))
        if work.family == "group":
            gaps.append(objective.group_gap(task.X, one.y, coefs, one.alpha, GROUP))
            continue
        if work.family == "mcp":
            gaps.append(objective.mcp_decrease(task.X, one.y, coefs, one.alphas, GAMMA))
            continue
        if work.family in ("logistic", "logistic_cv", "multinomial"):
            judge = objective.multinomial_gap if work.family == "multinomial" else objective.logistic_gap
            gaps.append(
                judge(task.X, one.y, coefs, intercepts, float(l1[0]), float(l2[0]), fit_intercept=one.fit_intercept)
            )
            continue
        if work.family in ("poisson", "gamma"):
            strengths = float(l1[0]), float(l2[0])
            gaps.append(
                objective.log_link_gap(
                    work.family, task.X, one.y, coefs, intercepts, *strengths, fit_intercept=one.fit_intercept
                )
            )
            continue
        gaps.append(
            np.max(objective.relative_gaps(task.X, one.y, coefs, intercepts, l1, l2, fit_intercept=one.fit_intercept))
        )
    return {"gap": float(np.max(gaps)), **extra}


def reaches(verdict, level):
    return (
        verdict is None
        or (verdict["gap"] <= level and verdict.get("curve_error", 0.0) <= CURVE_SLACK * level)
    )  # fmt: skip


def repeat(run, first, budget, patience):
    """Median of at least three runs (budget allowing), more of short ones; repeats a disturbed round."""
    spent = first
    for attempt in range(3):
        runs = [first] if attempt == 0 else []
        gc.collect()
        gc.disable()
        with machine.Load() as load:
            while not runs or (
                (len(runs) < 3 or sum(runs) < 0.5) and len(runs) < 1000 and spent + runs[-1] < budget
            ):  # fmt: skip
                seconds, _ = run()
                runs.append(seconds)
                spent += seconds
        gc.enable()
        if load.others < machine.QUIET or patience == 0.0 or spent + 3 * runs[-1] > budget:
            break
        machine.wait_for_quiet(patience / 3.0)
    return {
        "runs": len(runs),
        "seconds": statistics.median(runs),
        "least": min(runs),
        "disturbed": load.others,
    }


def solve(request, say):
    """Find the loosest tolerance for each level asked; ``say(event, **fields)`` at every step."""
    rival = next(r for r in load_rivals(modules=[request["module"]])[0] if r.name == request["rival"])
    work = WORKS[request["work"]]
    task = problem(work, request["cache"], quick=request["quick"], threads=request["threads"])
    X = rival.layout(task.X)
    reference = None if request["reference"] is None else np.load(request["reference"])
    tiny = task.tiny()
    compiling, _ = fit(rival, work, tiny, rival.layout(tiny.X), rival.grid(work.family)[0])
    say("warm", seconds=compiling)

    budget = min(request["limit"] * 0.6, 60.0)  # a fit of a minute is not run again
    levels = sorted(request["levels"], reverse=True)
    before = machine.reset_peak()
    for tol in rival.grid(work.family):
        seconds, answers = fit(rival, work, task, X, tol)
        if before is not None:
            say("memory", above_x=machine.peak() - before)
            before = None
        verdict = judge(work, task, answers, reference)
        del answers
        say("attempt", tol=tol, seconds=seconds, verdict=verdict)
        if reaches(verdict, levels[0]):
            run = partial(fit, rival, work, task, X, tol)
            found = repeat(run, seconds, budget, request["patience"])
            while levels and reaches(verdict, levels[0]):
                say("level", level=levels.pop(0), tol=tol, verdict=verdict, **found)
        if not levels:
            break
        if seconds > request["give_up"]:
            say("give_up", seconds=seconds, after=request["give_up"])
            break


def serve(solve, request_path, events_path):
    """Hand the request of one file to ``solve``; each event becomes a line of the other."""
    warnings.simplefilter("ignore")
    with open(request_path) as file:
        request = json.load(file)
    with open(events_path, "w", buffering=1) as events:
        solve(request, lambda event, **fields: events.write(json.dumps({"event": event, **fields}) + "\n"))


if __name__ == "__main__":
    serve(solve, *sys.argv[1:])
