"""Run the benchmark: ``python -m bench.run`` (or ``make bench``, which installs the rivals first).

    python -m bench.run                                      # everything, two threads, about half an hour
    python -m bench.run --quick                              # small sizes, to try the machinery out; kept apart
    python -m bench.run --work L1,L2a --rivals fastreg,sklearn,skglm --threads 1,2
    python -m bench.run --level 1e-4,1e-6 --limit 120
    python -m bench.run --report                             # only write RESULTS.md again from the JSON

Each (rival, workload, threads) is a process of its own with the threads of OpenMP, OpenBLAS, MKL and numba
set. One judge (objective.py) computes the relative duality gap from the returned coefficients; the loosest
tolerance of a rival's grid that reaches the level counts, as the median of at least three runs. Timed is all
of ``fit``; making the data, imports and compile warm-up are not (cold.py reports them). A rival over the time
limit, or whose one fit takes more than ``--cutoff`` times the best so far, is reported as such. Results are
merged into the JSON a row at a time, so that pieces can be rerun; times of different runs are never set
against each other. The machine should be otherwise idle: every run looks at the load and repeats a disturbed
round. Data sets are kept in ``--cache`` (about 1 GB).
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import machine, report
from bench.data import WORKS as LINEAR
from bench.networks import NETWORKS
from bench.rivals import describe_rivals

WORKS = {**LINEAR, **NETWORKS}
HERE = Path(__file__).parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def arguments(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Run the benchmark.")
    add = parser.add_argument
    add("--work", help="workloads, comma-separated; default: all of " + ", ".join(WORKS))
    add(
        "--rivals",
        help="rivals (sklearn-gram) or all variants of one (sklearn), comma-separated; default: all",
    )
    add("--threads", default="2", help="comma-separated; default: 2")
    add("--level", default="1e-6", help="relative gaps to reach, comma-separated; default: 1e-6")
    add("--limit", type=float, default=90.0, help="seconds for one rival on one workload, warm-up included")
    add(
        "--cutoff",
        type=float,
        default=8.0,
        help="give a rival up when one fit takes this many times the best so far",
    )
    add(
        "--patience",
        type=float,
        default=60.0,
        help="seconds to wait for a quiet machine; 0: neither wait nor repeat",
    )
    add("--quick", action="store_true", help="small sizes")
    add("--no-cold", action="store_true", help="leave out imports and first fits")
    add("--cold", action="store_true", help="only imports and first fits")
    add("--report", action="store_true", help="only write the report again")
    add("--out", type=Path, help="JSON; the report goes beside it. Default: bench/results.json")
    add(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "fastreg-bench",
        help="where data sets are kept",
    )
    options = parser.parse_args(argv)
    options.work = options.work.split(",") if options.work else list(WORKS)
    unknown = [name for name in options.work if name not in WORKS]
    if unknown:
        parser.error(f"unknown workload {', '.join(unknown)}; there are {', '.join(WORKS)}")
    options.rivals = options.rivals.split(",") if options.rivals else None
    options.threads = [int(t) for t in options.threads.split(",")]
    options.levels = [float(level) for level in options.level.split(",")]
    if options.out is None:
        options.out = options.cache / "quick.json" if options.quick else HERE / "results.json"
    return options


def environment(threads):
    """Threads as asked, and no choice of OpenBLAS' kernels for it: old ones halve its speed for all who call it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    return kept | {name: str(threads) for name in THREAD_VARIABLES}


def child(module, *args, threads, timeout=None):
    """Run a module of ours in a fresh process: (seconds, exit code or None, last line of stderr, stdout)."""
    command = [sys.executable, "-W", "ignore", "-m", f"bench.{module}", *map(str, args)]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=environment(threads),
            stdout=output,
            stderr=errors,
            cwd=HERE.parent,
            stdin=subprocess.DEVNULL,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        except BaseException:
            process.kill()
            process.wait()
            raise
        errors.seek(0)
        output.seek(0)
        # No path of this machine in the results.
        said = errors.read().decode(errors="replace").replace(str(HERE.parent), ".").replace(sys.prefix, "env")
        lines = said.strip().splitlines()
        return (
            time.perf_counter() - start,
            code,
            lines[-1] if lines else "",
            output.read().decode(errors="replace"),
        )


def run_rival(rival, work, threads, prepared, options, best):
    """One rival on one workload: a dict for the JSON. ``best``: least time of the rivals so far, or None."""
    # Someone has to be compared with: who is named by what was asked, or scikit-learn while nobody got there.
    required = any(rival.name == against for _, against in work.asked)
    required |= rival.name == "sklearn" and best is None
    give_up = options.limit if best is None else max(5.0, options.cutoff * best)
    limit = options.limit * (3.0 if required else 1.0)
    request = {
        "rival": rival.name, "module": rival.module, "work": work.name, "threads": threads,
        "levels": options.levels, "quick": options.quick, "cache": str(options.cache), "limit": limit,
        "patience": options.patience, "reference": prepared["reference"],
        "give_up": limit if required or rival.name == "fastreg" else give_up,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        asked, events = Path(name) / "request.json", Path(name) / "events.jsonl"
        asked.write_text(json.dumps(request))
        if options.patience:
            machine.wait_for_quiet(options.patience)
        # Waiting for a quiet machine between rounds is not the rival's fault.
        seconds, code, error, _ = child(
            "networks" if work.name in NETWORKS else "worker",
            asked,
            events,
            threads=threads,
            timeout=limit + options.patience,
        )
        text = events.read_text() if events.exists() else ""
    result = {"floor": rival.floor, "attempts": [], "levels": {}, "package": rival.package}
    for line in text.splitlines():
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "attempt":
            result["attempts"].append(event)
        elif kind == "level":
            result["levels"][f"{event.pop('level'):g}"] = event
        elif kind == "warm":
            result["warm_up"] = event["seconds"]
        elif kind == "memory":
            result["memory_above_x"] = event["above_x"]
        elif kind == "give_up":
            result["status"] = f"given up: one fit {event['seconds']:.1f} s, over {event['after']:.1f} s"
    gaps = [a["verdict"]["gap"] for a in result["attempts"] if a["verdict"]]
    if code is None:
        result["status"] = f"over the limit of {limit:.0f} s" + (f" at gap {min(gaps):.0e}" if gaps else "")
        # Killed within the repeats: the fit that reached the level was seen once, and counts once.
        for level in options.levels:
            last = result["attempts"][-1] if result["attempts"] else None
            if f"{level:g}" not in result["levels"] and last and last["verdict"] and last["verdict"]["gap"] <= level:
                result["levels"][f"{level:g}"] = {**last, "runs": 1, "disturbed": 0.0}
    elif code != 0:
        result["status"] = f"failed: {error}"
    elif len(result["levels"]) < len(options.levels) and "status" not in result:
        result["status"] = f"tightest tolerance leaves a gap of {min(gaps):.0e}" if gaps else "nothing came back"
    result["wall"] = seconds
    return result


def best_time(entries, level):
    """Least median of the rivals so far that reached the level (fastreg and bare calls are no rivals)."""
    times = [
        entry["levels"][level]["seconds"]
        for name, entry in entries.items()
        if level in entry["levels"] and not entry["floor"] and name.split("-")[0] != "fastreg"
    ]
    return min(times, default=None)


def run_work(work, threads, rivals, row, options, run_id):
    """All rivals on one workload; updates the row in place."""
    with tempfile.TemporaryDirectory() as name:
        asked, answer = Path(name) / "request.json", Path(name) / "answer.json"
        request = {"work": work.name, "threads": threads, "quick": options.quick, "cache": str(options.cache)}
        request["patience"] = options.patience
        asked.write_text(json.dumps(request))
        _, code, error, _ = child("prepare", asked, answer, threads=threads)
        if code:
            row["status"] = f"no data: {error}"
            say(f"  {row['status']}")
            return
        prepared = json.loads(answer.read_text())
    row.pop("status", None)
    row.update({key: value for key, value in prepared.items() if key != "reference"})
    row.update(work=work.name, title=work.title, threads=threads, quick=options.quick)
    entries = row.setdefault("rivals", {})
    fresh = {}
    strictest = "1" if work.name in NETWORKS else f"{min(options.levels):g}"
    for rival in rivals:
        reason = rival.skip(work)
        if reason:
            if reason != "not offered":
                entries[rival.name] = {
                    "floor": rival.floor,
                    "levels": {},
                    "status": f"not run: {reason}",
                    "run": run_id,
                }
            continue
        best = best_time(fresh, strictest)
        fresh[rival.name] = entries[rival.name] = run_rival(rival, work, threads, prepared, options, best)
        entries[rival.name]["run"] = run_id
        say("  " + report.line(rival.name, entries[rival.name]))


def cold(rivals):
    """Imports and first fits of fresh processes, the least of three."""
    found = {}
    for rival in rivals:
        if not rival.imports or rival.name != rival.module or "single" not in rival.functions:
            continue
        seen = []
        for _ in range(3):
            _, code, error, output = child("cold", rival.imports, rival.name, rival.module, threads=2, timeout=120)
            if code:
                say(f"  {rival.name}: {error}")
                break
            seen.append(json.loads(output.strip().splitlines()[-1]))
        if seen:
            found[rival.name] = {key: min(one[key] for one in seen) for key in seen[0]}
            say(f"  {rival.name}: " + ", ".join(f"{k} {v:.3f} s" for k, v in found[rival.name].items()))
    return found


def versions(rivals):
    names = {r.package for r in rivals if r.package} | {"numpy", "scipy", "numba"}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "from the source tree"
    return found


def say(text):
    print(text, flush=True)


def save(results, out):
    """Write the JSON whole or not at all, and the report."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.with_suffix(".tmp")
    scratch.write_text(json.dumps(results, indent=1) + "\n")
    scratch.replace(out)
    (out.parent / ("RESULTS.md" if out.name == "results.json" else out.stem + ".md")).write_text(
        report.markdown(results)
    )


def main(argv=None):
    options = arguments(argv)
    results = {"rows": {}}
    if options.out.exists():
        results = json.loads(options.out.read_text())
    if options.report:
        save(results, options.out)
        return
    # Importing adelie here would bind every child to one core.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        rivals, missing = pool.submit(describe_rivals, options.rivals).result()
    for name, reason in missing.items():
        say(f"without {name}: {reason}")
    options.cache.mkdir(parents=True, exist_ok=True)
    results.setdefault("versions", {}).update(versions(rivals))
    results["machine"] = machine.describe()
    results.setdefault("missing", {}).update(missing)
    for name in {r.module for r in rivals}:
        results["missing"].pop(name, None)
    run_id = time.strftime("%Y-%m-%d %H:%M")
    start = time.perf_counter()
    for threads in options.threads if not options.cold else ():
        for name in options.work:
            say(f"{name}, {threads} threads ({time.perf_counter() - start:.0f} s)")
            row = results["rows"].setdefault(f"{name}@{threads}", {})
            run_work(WORKS[name], threads, rivals, row, options, run_id)
            save(results, options.out)
    if options.cold or not options.no_cold:
        say("imports and first fits")
        results.setdefault("cold", {}).update(cold(rivals))
    save(results, options.out)
    say(f"{time.perf_counter() - start:.0f} s; written to {options.out}")


if __name__ == "__main__":
    main()
