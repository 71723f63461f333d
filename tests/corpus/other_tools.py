# SPDX-License-Identifier: MIT
"""What strace, lsof, gdb and py-spy show of the same hang, and fixed rules that judge it:

blocked  one line of the output has the blocked process (its pid, or the output is of that pid alone)
         and the call that it is blocked in
other    one line of what is shown of the blocked process has the other end's process: pid or name
line     FILE:LINE that has to be changed (py-spy and gdb: FILE", line N as well), or its C function

Every tool is given every process of the hang and knows nothing else. Whoever finds the other end by
searching all output for the number of a pipe has done the tool's work: that does not count."""
import re
import shutil
import signal
import subprocess
import time

PARTS = ("blocked", "other", "line")
DEADLINE_S = 60


def run(command, seconds=None):
    """The output, of a command that ends by itself or is interrupted after some seconds."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        out, _ = process.communicate(timeout=seconds or DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT if seconds else signal.SIGKILL)
        out, _ = process.communicate()
    return out.decode(errors="replace")


def strace(pids):
    """All calls that are unfinished when it attaches; it shows these at once."""
    attach = [word for pid in pids for word in ("-p", str(pid))]
    text = run(["strace", "-f", "-yy", "-s", "16", *attach], seconds=0.5)
    if len(pids) == 1:  # then it leaves out whose line it is
        text = "\n".join("[pid %d] %s" % (pids[0], line) for line in text.splitlines())
    return {pid: "\n".join(line for line in text.splitlines() if "[pid %6d]" % pid in line or
                           "[pid %d]" % pid in line or "[pid  %d]" % pid in line)
            for pid in pids}


def lsof(pids):
    text = run(["lsof", "-w", "-n", "-P", "+E", "-p", ",".join(map(str, pids))])
    return {pid: "\n".join(line for line in text.splitlines()
                           if re.match(r"\S+\s+%d\s" % pid, line)) for pid in pids}


def gdb(pids):
    return {pid: run(["gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex",
                      "thread apply all bt", "-ex", "py-bt", "-p", str(pid)]) for pid in pids}


def py_spy(pids):
    return {pid: run(["py-spy", "dump", "--pid", str(pid)]) for pid in pids}


TOOLS = {"strace -f": strace, "lsof +E": lsof, "gdb -batch": gdb, "py-spy dump": py_spy}


def is_here(name):
    return shutil.which(name.split()[0]) is not None


def frame_or_call(call):
    """`write(` of strace and gdb, `in __GI___libc_write (` too; epoll_pwait for epoll_wait."""
    stem = {"epoll_wait": r"epoll_p?wait\w*", "wait4": r"(?:wait4|waitpid|waitid|wait)",
            "waitid": r"waitid", "poll": r"p?poll\w*", "select": r"p?select\w*",
            "flock": r"flock", "open": r"open\w*"}.get(call, re.escape(call))
    return r"\b_*(?:GI_+)?(?:libc_)?(?:%s)\d*(?:_nocancel)?\s?\(" % stem


def judge(case, tool, shown, stuck, others):
    """`stuck` and `others`: pids, with names, of the two ends."""
    of_stuck = "\n".join(shown.get(pid, "") for pid in stuck)
    everything = "\n".join(shown.values())
    pids = [str(pid) for pid in others if pid not in stuck]
    other = any(re.search(r"(?<!\d)%s(?!\d)" % pid, line) for pid in pids
                for line in of_stuck.splitlines())
    file, numbers, _ = case.lines()
    line = case.names_line(everything) or any(
        re.search(r'%s", line %d\b' % (re.escape(file), n), everything) for n in numbers)
    return {"blocked": re.search(frame_or_call(case.call), of_stuck) is not None,
            "other": other if case["other"] else True, "line": line}


def look(case, name, pids, stuck, others):
    """The judgement and the seconds that the tool took."""
    begin = time.monotonic()
    shown = TOOLS[name](pids)
    seconds = time.monotonic() - begin
    return judge(case, name, shown, stuck, others), seconds
