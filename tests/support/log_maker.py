# SPDX-License-Identifier: MIT
"""Writes logs in the library's JSON Lines format, for tests of the tools that read them."""
import datetime
import json

EPOCH = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def time_of(seconds):
    moment = EPOCH + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def frame(symbol, offset=0x1000, module="/usr/bin/engine", build_id=None, **more):
    made = {"pc": 0x550000000000 + offset, "module": module, "offset": offset, "symbol": symbol,
            "symbol_offset": 16}
    if build_id:
        made["build_id"] = build_id
    made.update(more)
    return made


class Process:
    """One process that writes events; each method returns the line's object and remembers it."""

    def __init__(self, pid, exe, host=None):
        self.pid, self.exe, self.host, self.seq, self.events = pid, exe, host, 0, []

    def event(self, name, seconds, tid=None, thread=None, **fields):
        made = {"event": name, "time": time_of(seconds), "pid": self.pid, "tid": tid or self.pid,
                "exe": self.exe, "thread": thread or self.exe, "seq": self.seq, "v": 1}
        made.update(fields)
        self.seq += 1
        self.events.append(made)
        return made

    def start(self, seconds):
        host = {"host": self.host} if self.host else {}
        return self.event("start", seconds, **host, version="0.1.0", argv0=self.exe, config={}, features={})

    def blocked(self, start, call="write", class_="pipe_write", stack=(), threshold_ms=100, **fields):
        """A call that began at `start` and is reported when it crosses its threshold."""
        return self.event("blocked", start + threshold_ms / 1000, call=call, syscall=call,
                          **{"class": class_}, blocked_ms=threshold_ms, threshold_ms=threshold_ms,
                          stack=list(stack), **fields)

    def unblocked(self, of, start, ms, result=0, **fields):
        return self.event("unblocked", start + ms / 1000, ref=of["seq"], blocked_ms=ms,
                          result=result, tid=of["tid"], **fields)

    def call(self, start, ms, tid=None, **fields):
        """A call with its return."""
        report = self.blocked(start, tid=tid, **fields)
        self.unblocked(report, start, ms)
        return report


def pipe(inode=81723, used=65536, capacity=65536, role="writer", peers=()):
    return {"inode": inode, "used": used, "capacity": capacity, "slots_used": 16, "slots": 16,
            "full": used >= capacity, "role": role, "peers": list(peers)}


def write_log(path, *processes):
    """All events of all processes in the order of their times, as one log."""
    events = [event for process in processes for event in process.events]
    events.sort(key=lambda event: event["time"])
    with open(path, "w", encoding="utf-8") as out:
        for event in events:
            out.write(json.dumps(event, ensure_ascii=False) + "\n")
    return path
