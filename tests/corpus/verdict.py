# SPDX-License-Identifier: MIT
"""Fixed rules: does what was said of a case name its verdict, both ends, and the line to change?"""
import datetime
import fnmatch
import glob
import json
import os

from corpus import STREAMS

PARTS = ("verdict", "ends", "line")


def kind_of(event):
    """`deadlock`, the finding's kind, or the event's name."""
    if event.get("event") == "finding" or "event" not in event:
        return event.get("kind") or event.get("finding")
    return event["event"]


def is_stuck_link(case, link):
    if not fnmatch.fnmatch(link.get("name") or link.get("comm", ""), case.stuck_name):
        return False
    call = "wait" if case.call == "child" else case.call  # a class: wait4, waitid
    if not link.get("waits_in", "").startswith(call):
        return False
    return case.stream == "*" or link.get("fd") == STREAMS[case.stream]


def names_both_ends(case, event):
    chain = event.get("chain", [])
    if not any(is_stuck_link(case, link) for link in chain):
        return False
    other = case["other"]
    named = [link.get(key, "") for link in chain for key in ("name", "comm", "for_name")]
    return not other or any(fnmatch.fnmatch(name, other) for name in named) \
        or other in event.get("words", "")


def text_of_lines(event):
    lines = [event.get("where", ""), event.get("words", ""), event.get("advice", "")]
    lines += [link.get("where", "") for link in event.get("chain", [])]
    return "\n".join(lines)


def names_ends_of_call(case, event):
    """Of a `blocked` or `lag`, which have no chain: the call, its stream, and the peer."""
    text = json.dumps({k: v for k, v in event.items() if k not in ("stack", "python")})
    stuck = case.call in (event.get("call", ""), event.get("class", ""), event.get("cause", ""))
    return stuck and (not case["other"] or case["other"] in text)


def judge(case, event):
    """{part: bool} of one event of a log, or one finding of diagnose."""
    if kind_of(event) not in case["verdict"].split("|"):
        return dict.fromkeys(PARTS, False)
    ends = names_both_ends if "chain" in event else names_ends_of_call
    return {"verdict": True, "ends": ends(case, event),
            "line": case.names_line(text_of_lines(event))}


def best(judgements):
    """Of several events the one that says most, and its place."""
    ranked = [(sum(j.values()), -i, j) for i, j in enumerate(judgements)]
    if not ranked:
        return dict.fromkeys(PARTS, False), None
    most = max(ranked, key=lambda r: r[:2])
    return most[2], -most[1]


def events_in(folder):
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "log.*"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            found += [json.loads(line) for line in file if line.endswith("\n")]
    return found


def is_told(case, event):
    """Something is said to be wrong: what a healthy twin must not lead to."""
    return event["event"] in ("deadlock", "finding", *case["verdict"].split("|"))


def seconds_of(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
