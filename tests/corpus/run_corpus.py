#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the corpus of real hangs and prints its score.

    run_corpus.py [--markdown] [--no-tools] [--verbose] [--jobs N] [CASE...]

Each case hangs five times: with the library in the parent alone, in the child alone, in both, and
twice without it, for `pipeshim diagnose` and for the tools of others. Its healthy twin runs once
with the library in both, is diagnosed meanwhile, and nothing may be said of it. The exit status is 0
if every case could be run: a score below 100 % is a result, not a failure."""
import argparse
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import other_tools  # noqa: E402
import verdict  # noqa: E402
from corpus import LIBRARY, PIPESHIM, Process, all_cases, name_of, wait_for_hang  # noqa: E402

SIDES = ("parent alone", "child alone", "both")
HANG_DEADLINE_S = 20
VERDICT_DEADLINE_S = float(os.environ.get("CORPUS_DEADLINE", 30))  # a machine may be busy
REST_DEADLINE_S = 8  # for ends and line, once there is a verdict: they come with it, or another look
HEALTHY_DEADLINE_S = 60


class Folder:
    """A folder for one run, removed at its end."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="corpus.")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def settings_of(case, side, folder):
    settings = {"LD_PRELOAD": LIBRARY, "PIPESHIM_FORMAT": "json",
                "PIPESHIM_LOG": os.path.join(folder, "log.%p")}
    if side == "parent alone":
        settings["PIPESHIM_ONLY"] = case["parent"]
    elif side == "child alone":
        settings["PIPESHIM_ONLY"] = case["child"]
    return settings


def run_with_library(case, side, hang_s, deadline_s=VERDICT_DEADLINE_S, wanted=verdict.PARTS,
                     rest_s=None):
    """The best judgement of what the logs say, and the seconds from the hang to that event. Ends
    when all that is wanted has been said, or `rest_s` (if not None) after the hang and the
    verdict."""
    with Folder() as folder:
        run = Process(case, folder, settings=settings_of(case, side, folder))
        told_at = None
        try:
            while True:
                now = time.time()
                events = verdict.events_in(folder)
                found, at = verdict.best([verdict.judge(case, event) for event in events])
                told_at = told_at or (now if found["verdict"] else None)
                if all(found[part] for part in wanted) or \
                        now - run.began > (hang_s or 0) + deadline_s or \
                        (rest_s is not None and told_at and now - told_at > rest_s):
                    break
                time.sleep(0.05)
        finally:
            run.end()
        seconds = None
        if found["verdict"]:
            seconds = max(0.0, verdict.seconds_of(events[at]) - run.began - (hang_s or 0))
        return {**found, "seconds": seconds,
                "said": [verdict.kind_of(e) + ": " + e.get("words", e.get("call", ""))
                         for e in events if e["event"] in ("deadlock", "finding")],
                "where": verdict.text_of_lines(events[at]) if at is not None and found["verdict"]
                else ""}


def diagnose(pid):
    begin = time.monotonic()
    done = subprocess.run([PIPESHIM, "diagnose", "--json", "--tree", str(pid)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    seconds = time.monotonic() - begin
    findings = json.loads(done.stdout)["findings"] if done.stdout else []
    return findings, seconds


def run_bare(case, look):
    """Without the library: look(run) once it hangs. Returns the seconds until then as well."""
    with Folder() as folder:
        run = Process(case, folder)
        try:
            hang_s = wait_for_hang(run, HANG_DEADLINE_S)
            return hang_s, look(run)
        finally:
            run.end()


def diagnose_hang(case, run):
    findings, seconds = diagnose(run.process.pid)
    found, at = verdict.best([verdict.judge(case, f) for f in findings])
    return {**found, "seconds": seconds if found["verdict"] else None,
            "said": ["%s: %s" % (f["kind"], f["words"]) for f in findings],
            "where": verdict.text_of_lines(findings[at]) if at is not None and found["verdict"]
            else ""}


def look_with_others(case, run):
    pids = run.pids()
    names = {pid: name_of(pid) for pid in pids}
    stuck = [pid for pid in pids if names[pid] == case.stuck_name]
    others = [pid for pid in pids if names[pid] == case["other"]]
    results = {}
    for name in other_tools.TOOLS:
        if other_tools.is_here(name):
            found, seconds = other_tools.look(case, name, pids, stuck, others)
            results[name] = {**found, "seconds": seconds}
    return results


def run_healthy(case):
    """What was said of the twin, which has to be nothing, and how it ended."""
    with Folder() as folder:
        run = Process(case, folder, healthy=True, settings=settings_of(case, "both", folder))
        try:
            said, end = [], time.monotonic() + HEALTHY_DEADLINE_S
            while run.process.poll() is None and time.monotonic() < end:
                said += ["diagnose: " + f["words"] for f in diagnose(run.process.pid)[0]]
                time.sleep(0.5)
            status = run.process.poll()
        finally:
            run.end()
        said += ["%s: %s" % (e["event"], e.get("words", ""))
                 for e in verdict.events_in(folder) if verdict.is_told(case, e)]
        if status != 0:
            with open(os.path.join(folder, "output"), errors="replace") as output:
                said.append("it ended with %s: %s" % (status, output.read()[-300:]))
        return said


def run_case(case, tools=True):
    result = {"case": case.name, "thread": case["thread"], "family": case["family"]}
    missing = case.missing()
    if missing:
        return {**result, "left_out": "no %s here" % missing}
    hang_s, result["diagnose"] = run_bare(case, lambda run: diagnose_hang(case, run))
    result["hang_s"] = hang_s
    if hang_s is None:
        result["note"] = "no standstill was seen within %d s" % HANG_DEADLINE_S
    for side in SIDES:
        if side == "child alone" and not case["child"]:
            continue
        result[side] = run_with_library(case, side, hang_s, rest_s=REST_DEADLINE_S)
    result["healthy"] = run_healthy(case)
    if tools:
        result["tools"] = run_bare(case, lambda run: look_with_others(case, run))[1]
    return result


def percent(part, whole):
    return "%d of %d" % (part, whole) if whole else "-"


def table(results, markdown):
    """Rows of text; the head first."""
    ran = [r for r in results if "left_out" not in r]
    rows = [("", "verdict / blocked call", "both ends", "line to change", "all three",
             "median time")]

    def row(name, entries, parts):
        seconds = [e["seconds"] for e in entries if e["seconds"] is not None]
        median = "%.2f s" % statistics.median(seconds) if seconds else "-"
        rows.append((name, *[percent(sum(e[p] for e in entries), len(entries)) for p in parts],
                     percent(sum(all(e[p] for p in parts) for e in entries), len(entries)), median))

    for side in (*SIDES, "diagnose"):
        name = "`diagnose`, no preload" if side == "diagnose" else "library in the " + side
        if side == "both":
            name = "library in both"
        row(name, [r[side] for r in ran if side in r], verdict.PARTS)
    for name in other_tools.TOOLS:
        entries = [r["tools"][name] for r in ran if name in r.get("tools", {})]
        if entries:
            row("`%s`" % name, entries, other_tools.PARTS)
        elif not other_tools.is_here(name):
            rows.append(("`%s`" % name, "not to be had here", "", "", "", ""))
    if markdown:
        head, *body = rows
        return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|",
                          *["| " + " | ".join(r) + " |" for r in body]])
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip()
                     for r in rows)


def short(entry):
    if entry is None:
        return "  - "
    return "".join(letter if entry[part] else "." for letter, part in zip("VEL", verdict.PARTS)) \
        + (" %.1f" % entry["seconds"] if entry["seconds"] is not None else "")


def print_case(result, verbose):
    if "left_out" in result:
        print("%-34s left out: %s" % (result["case"], result["left_out"]), flush=True)
        return
    columns = [short(result.get(side)) for side in (*SIDES, "diagnose")]
    twin = "quiet" if not result["healthy"] else "NOT QUIET: " + "; ".join(result["healthy"])[:200]
    print("%-34s %s  twin %s %s" % (result["case"], " ".join(c.ljust(8) for c in columns), twin,
                                    result.get("note", "")), flush=True)
    if verbose:
        for side in (*SIDES, "diagnose"):
            if side in result and not all(result[side][p] for p in verdict.PARTS):
                print("    %s said: %s | where: %s" % (side, result[side]["said"],
                                                      result[side]["where"].replace("\n", " / ")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names or globs; default: all")
    parser.add_argument("--markdown", action="store_true", help="the table for the README")
    parser.add_argument("--no-tools", action="store_true", help="without strace, lsof, gdb, py-spy")
    parser.add_argument("--verbose", action="store_true", help="what was said where it fell short")
    parser.add_argument("--jobs", type=int, default=1, help="cases at once (default 1)")
    parser.add_argument("--json", metavar="FILE", help="all results as JSON lines")
    options = parser.parse_args()
    cases = all_cases(options.cases)
    print("V verdict, E both ends, L line to change; seconds from the hang to the verdict")
    print("%-34s %s" % ("case", " ".join(n.ljust(8) for n in
                                         ("parent", "child", "both", "diagnose"))), flush=True)
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda c: run_case(c, not options.no_tools), cases):
            print_case(result, options.verbose)
            results.append(result)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
    ran = [r for r in results if "left_out" not in r]
    print()
    print(table(results, options.markdown))
    print()
    print("%d cases, %d left out; nothing was said of %s healthy twins"
          % (len(ran), len(results) - len(ran),
             percent(sum(not r["healthy"] for r in ran), len(ran))))
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(main())
