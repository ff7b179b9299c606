"""RESULTS.md from results.json."""

from bench.data import WORKS
from bench.machine import QUIET
from bench.networks import NETWORKS

HEADER = """# Benchmark results

Made by `make bench` (`python -m bench.run`); how it is measured: [run.py](run.py), the judge:
[objective.py](objective.py). Ratios are of times in the same run. Workloads L are simulated and seeded
([data.py](data.py)), L7 is diabetes or breast_cancer, the last three are real data; M are networks
([networks.py](networks.py)). *asked*: the ratio wanted, by the best
rival unless named. *floor*: max(bytes of X / read bandwidth, flops / dgemm peak) with both measured in the same
run; *passes*: how often X could have been read meanwhile.
"""


def ms(seconds):
    """Three digits and no exponent."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def line(name, entry):
    """A rival's outcome in a few words, for the terminal."""
    parts = [f"{name:13s}"]
    for level, found in entry["levels"].items():
        gap = "" if found["verdict"] is None else f"gap {found['verdict']['gap']:.1e}"
        if found["verdict"] and "curve_error" in found["verdict"]:
            gap += f" curve {found['verdict']['curve_error']:.1e}"
        tol = "" if found["tol"] is None else f"tol {found['tol']:.0e}"
        noisy = " DISTURBED" if found["disturbed"] > QUIET else ""
        parts.append(f"{level}: {ms(found['seconds'])} ms ({found['runs']} runs) {tol} {gap}{noisy}")
    if "status" in entry:
        parts.append(entry["status"])
    return "  ".join(parts)


def best_rival(row, level, prefix=None):
    """Name and entry of the quickest rival in fastreg's run to reach the level (prefix: of its variants)."""
    run = row["rivals"].get("fastreg", {}).get("run")
    found = [
        (entry["levels"][level]["seconds"], name)
        for name, entry in row["rivals"].items()
        if level in entry["levels"]
        and name.split("-")[0] != "fastreg"
        and (run is None or entry["run"] == run)
        and (name.split("-")[0] == prefix if prefix not in (None, "bare") else entry["floor"] == (prefix == "bare"))
        and (prefix != "bare" or name == "bare")
    ]
    return min(found, default=(None, None))


def asked(work, row, level, own):
    """What was asked, each with its outcome."""
    texts, outcomes = [], []
    for factor, against in work.asked:
        if against in ("peak", "seconds"):
            share = row["flops"] / (own or float("inf")) / row["machine"]["sgemm_flops"]
            outcomes.append(share >= factor if against == "peak" else own is not None and own <= factor)
            texts.append(f"≥ {factor:.0%} of sgemm ({share:.0%})" if against == "peak" else f"≤ {ms(factor)} ms")
            continue
        seconds, name = best_rival(row, level, None if against == "best" else against)
        bound = f"{factor:.3g}" if factor >= 0.05 else f"1/{1 / factor:.0f}"
        text = f"≤ {bound}" + ("" if against == "best" else f" {against}")
        if own is not None and seconds is not None:
            outcomes.append(own / seconds <= factor)
            text += f" ({own / seconds:.3g})" if against != "best" else ""
        texts.append(text)
    mark = ""
    if outcomes and len(outcomes) == len(work.asked):
        mark = " ✓" if (any if work.either else all)(outcomes) else " ✗"
    return (" or " if work.either else ", ").join(texts) + mark


def main_table(rows, level, threads):
    lines = [
        f"\n## Gap ≤ {level}, {threads} thread{'s' * (threads > 1)}\n",
        "| work | fastreg ms | best rival | ratio | asked | floor ms | time/floor | passes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, work in WORKS.items():
        row = rows.get(f"{name}@{threads}")
        if row is None or not any(level in entry["levels"] for entry in row["rivals"].values()):
            continue
        entry = row["rivals"].get("fastreg", {"levels": {}, "status": "not run"})
        own = entry["levels"].get(level, {}).get("seconds")
        seconds, rival = best_rival(row, level)
        one_pass = row["bytes"] / row["machine"]["read_bytes_per_s"]
        floor = max(one_pass, row["flops"] / row["machine"]["dgemm_flops"])
        cells = [
            f"**{name}** {work.title}, {row['shape'][0]}×{row['shape'][1]}",
            ms(own) if own is not None else entry.get("status", "–"),
            f"{rival} {ms(seconds)}" if rival else "–",
            f"{own / seconds:.3g}" if own is not None and rival else "–",
            asked(work, row, level, own) or "–",
            ms(floor),
            f"{own / floor:.3g}" if own is not None else "–",
            f"{own / one_pass:.3g}" if own is not None else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def network_table(rows, threads):
    lines = [
        f"\n## Networks, {threads} thread{'s' * (threads > 1)}\n",
        "Milliseconds an epoch, of Adam in float32 from the same weights over the same batches",
        "([networks.py](networks.py)); *prox*: time with L1 + L2 on every layer by that without, of fits in turn;",
        "*peak*: flops of the products by time and by the machine's sgemm in the same run.\n",
        "| work | fastreg ms | prox | best rival | ratio | asked | GF/s | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, work in NETWORKS.items():
        row = rows.get(f"{name}@{threads}")
        if row is None:
            continue
        entry = row["rivals"].get("fastreg", {"levels": {}, "status": "not run"})
        own = entry["levels"].get("1", {}).get("seconds")
        prox = row["rivals"].get("fastreg-prox", {"levels": {}})["levels"].get("1", {}).get("beside")
        seconds, rival = best_rival(row, "1")
        rate = row["flops"] / own if own else None
        cells = [
            f"**{name}** {work.title}, {row['shape'][0]}×{'-'.join(map(str, work.sizes))}",
            ms(own / row["epochs"]) if own else entry.get("status", "–"),
            f"{prox:.3f}" if prox else "–",
            f"{rival} {ms(seconds / row['epochs'])}" if rival else "–",
            f"{own / seconds:.3g}" if own and rival else "–",
            asked(work, row, "1", own) or "–",
            f"{rate / 1e9:.0f}" if rate else "–",
            f"{rate / row['machine']['sgemm_flops']:.0%}" if rate else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines if len(lines) > 6 else []


def everyone(row, levels):
    """All rivals of a row, quickest first, with what the judge found."""
    lines = []
    run = row["rivals"].get("fastreg", {}).get("run")

    def quickest(item):
        times = [found["seconds"] for found in item[1]["levels"].values()]
        return min(times, default=float("inf"))

    for name, entry in sorted(row["rivals"].items(), key=quickest):
        times, gaps = [], []
        for level in levels:
            found = entry["levels"].get(level)
            mark = "" if found is None else ("" if found["runs"] >= 3 else f" ({found['runs']} run)")
            times.append("–" if found is None else ms(found["seconds"]) + mark)
            if found and found["verdict"]:
                gaps.append(f"{found['verdict']['gap']:.0e}")
        notes = [entry["status"]] if "status" in entry else []
        if entry["floor"]:
            notes.append("no rival: bare calls")
        if run is not None and entry["run"] != run:
            notes.append("another run")
        if any(found["disturbed"] > QUIET for found in entry["levels"].values()):
            notes.append("disturbed")
        lines.append(f"| {name} | {' | '.join(times)} | {', '.join(gaps)} | {'; '.join(notes)} |")
    return lines


def memory_table(rows):
    lines = ["\n## Memory\n", "Peak resident memory of the first fit above what was there with X loaded, MB."]
    for rivals, networks in ((MEMORY_RIVALS, False), (NETWORK_MEMORY_RIVALS, True)):
        floor = "four times the weights and a batch's rows, outputs and deltas | " if networks else ""
        lines += [
            f"\n| work | X | {floor}" + " | ".join(rivals) + " |",
            "|---|---|" + "---|" * (len(rivals) + networks),
        ]
        for key, row in rows.items():
            work = NETWORKS.get(row["work"])
            if not any("memory_above_x" in entry for entry in row.get("rivals", {}).values()):
                continue
            if row["bytes"] < 2**24 or (work is not None) != networks or (networks and work.family != "train"):
                continue
            cells = (
                [f"{row['bytes'] / 1e6:.0f}", f"{needed(work) / 1e6:.0f}"]
                if networks
                else [f"{row['bytes'] / 1e6:.0f}"]
            )
            for name in rivals:
                above = row["rivals"].get(name, {}).get("memory_above_x")
                cells.append("–" if above is None else f"{above / 1e6:.0f}")
            lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return lines


MEMORY_RIVALS = ("fastreg", "sklearn", "sklearn-gram", "skglm", "adelie", "celer", "glmnet")
NETWORK_MEMORY_RIVALS = ("fastreg", "jax", "torch", "sklearn-mlp")


def needed(work):
    """Bytes that training needs in float32: weights, gradients, Adam's moments; a batch's rows, outputs and deltas."""
    weights = sum((a + 1) * b for a, b in zip(work.sizes[:-1], work.sizes[1:], strict=True))
    return 4.0 * (4 * weights + work.batch * (work.sizes[0] + 2 * sum(work.sizes[1:])))


def cold_table(cold):
    lines = [
        "\n## A fresh process\n",
        "Import: on top of scikit-learn's linear_model. Fits: lasso on diabetes, compilation included.\n",
        "| | import, s | first fit, ms | second fit, ms |",
        "|---|---|---|---|",
    ]
    for name, found in cold.items():
        lines.append(f"| {name} | {found['adds']:.3f} | {ms(found['first_fit'])} | {ms(found['second_fit'])} |")
    base = min((found["sklearn"] for found in cold.values()), default=None)
    if base is not None:
        lines.append(f"\nscikit-learn's linear_model itself: {base:.2f} s.")
    return lines


def markdown(results):
    """The whole report."""
    rows = results["rows"]
    complete = {key: row for key, row in rows.items() if "rivals" in row}
    linear = {key: row for key, row in complete.items() if row["work"] not in NETWORKS}
    entries = [entry for row in linear.values() for entry in row["rivals"].values()]
    levels = sorted({level for entry in entries for level in entry["levels"]}, key=float, reverse=True)
    threads = sorted({row["threads"] for row in complete.values()}, reverse=True)
    lines = [HEADER]
    about = results.get("machine")
    if about:
        rates = [row["machine"] for row in complete.values() if row["threads"] == max(threads)]
        speed = ""
        if rates:
            top = {key: max(rate[key] for rate in rates) / 1e9 for key in rates[0]}
            speed = (
                f" Read {top['read_bytes_per_s']:.0f} GB/s, dgemm {top['dgemm_flops']:.0f} GF, "
                f"sgemm {top['sgemm_flops']:.0f} GF on {max(threads)} threads."
            )
        lines.append(
            f"Machine: {about['cores']} cores, {about['architecture']} with "
            f"{', '.join(about['instructions'])}, {about['memory_gib']} GiB, {about['system']}, "
            f"Python {about['python']}.{speed}"
        )
    for count in threads:
        for level in reversed(levels):
            lines += main_table(linear, level, count)
    for count in threads:
        lines += network_table(complete, count)
    if results.get("cold"):
        lines += cold_table(results["cold"])
    lines += memory_table(complete)
    lines.append(
        "\n## Everyone\n\nMilliseconds to each gap, the gap judged, quickest first. Networks: the distance "
        "from a plain training's loss, 1 being what is let through."
    )
    for key, row in complete.items():
        network = row["work"] in NETWORKS
        tried = ["1"] if network else levels
        lines += [
            f"\n### {key}: {row['title']}, {row['shape'][0]}×{row['shape'][1]}, {row['threads']} threads\n",
            "| rival | "
            + ("all epochs" if network else " | ".join(f"gap {level}" for level in tried))
            + " | judged | |",
            "|---|" + "---|" * len(tried) + "---|---|",
            *everyone(row, tried),
        ]
    for key, row in rows.items():
        if "status" in row:
            lines.append(f"\n{key}: {row['status']}")
    lines.append("\n## Versions\n")
    lines.append(", ".join(f"{name} {version}" for name, version in results.get("versions", {}).items()) + ".")
    if results.get("missing"):
        lines.append("Not here: " + "; ".join(f"{name} ({why})" for name, why in results["missing"].items()) + ".")
    return "\n".join(lines) + "\n"
