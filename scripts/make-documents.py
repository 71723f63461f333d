#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Manual pages and completions, from what the tool's own --help says and the table of settings.

    make-documents.py TOOL SETTINGS.DEF FOLDER
"""
import os
import re
import subprocess
import sys

OPTION = re.compile(r"^  (-\w|--[a-z][a-z-]*)((?:, --?[a-z-]+)*)(?: ([^ ]+))?(?:\s{2,}(.*))?$")
PIDS = ("diagnose", "doctor", "rescue", "set", "top")
FILES = ("report",)


def say(tool, *arguments):
    return subprocess.run([tool, *arguments], check=True, capture_output=True, text=True).stdout


def commands(tool):
    """Names and what they do, as `pipeshim --help` lists them."""
    rows = re.findall(r"^  ([a-z]+) +(\S.*)$", say(tool, "--help"), re.M)
    return [(name, what, say(tool, name, "--help")) for name, what in rows]


def options(text):
    """Rows of a help text: names, the value's name, what is said of it."""
    rows = []
    for line in text.splitlines():
        match = OPTION.match(line)
        if match:
            names = [match.group(1)] + re.findall(r"--?[a-z-]+", match.group(2))
            rows.append([names, match.group(3) or "", match.group(4) or ""])
        elif rows and re.match(r"^ {8,}\S", line):
            rows[-1][2] += " " + line.strip()
    for row in rows:  # of `run` the variable stands in a column of its own
        row[2] = re.sub(r"^(PIPESHIM\w*)\s+", r"\1: ", row[2])
    return rows


def roff(text):
    return re.sub(r"(?m)^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"))


def page(name, section, title, version, body):
    return ('.TH %s %s "" "pipeshim %s" "%s"\n' % (name.upper(), section, version, title)) + body


def command_section(name, text):
    out = [".SS pipeshim %s" % name]
    block = []
    for part in text.split("\n\n"):
        lines = part.strip("\n").splitlines()
        if lines and lines[0].startswith("usage:"):
            block += [".nf", roff("\n".join(line.replace("usage: ", "", 1).strip()
                                            for line in lines)), ".fi"]
        elif any(OPTION.match(line) for line in lines):
            for names, value, what in options(part):
                block += [".TP", "\\fB%s\\fR%s" % (roff(", ".join(names)),
                                                   " \\fI%s\\fR" % roff(value) if value else ""),
                          roff(what) or "\\&"]
        else:
            block += [".PP", roff("\n".join(line.strip() for line in lines))]
    return "\n".join(out + block) + "\n"


def manual_of_tool(tool, version, all_commands):
    body = [".SH NAME", "pipeshim \\- names calls that hang on full pipes and other peers",
            ".SH SYNOPSIS", "\\fBpipeshim\\fR \\fICOMMAND\\fR \\fIARGUMENTS\\fR",
            ".SH DESCRIPTION",
            "Finds out why a Linux program hangs, and rescues it: who waits for whom, on which pipe,",
            "in which line. The library that \\fBpipeshim run\\fR preloads is \\fBlibpipeshim\\fR(7).",
            ".SH COMMANDS"]
    for name, what, _ in all_commands:
        body += [".TP", "\\fB%s\\fR" % name, roff(what)]
    text = "\n".join(body) + "\n"
    for name, _, shown in all_commands:
        text += command_section(name, shown)
    text += ".SH SEE ALSO\n\\fBlibpipeshim\\fR(7), \\fBld.so\\fR(8), \\fBpipe\\fR(7)\n"
    return page("pipeshim", 1, "User Commands", version, text)


def settings(path):
    """Variable, default, what is accepted and LIVE or FIXED, of each row of the table."""
    with open(path, encoding="utf-8") as file:
        table = file.read()
    return re.findall(r'^SETTING\(\w+,\s*"(\w+)",\s*\w+,\s*"([^"]*)",\s*"([^"]*)",[^"]*?\s(\w+)\)$',
                      table, re.M)


def manual_of_library(path, version, run_help):
    meaning = {}
    for names, _, what in options(run_help):
        variable, _, text = what.partition(": ")
        if variable.startswith("PIPESHIM"):
            meaning.setdefault(variable, text)
    body = [".SH NAME", "libpipeshim \\- preloaded library that tells why a program hangs",
            ".SH SYNOPSIS", "\\fBLD_PRELOAD=\\fR\\fIPATH\\fR\\fB/libpipeshim.so\\fR \\fICMD\\fR",
            ".SH DESCRIPTION",
            "Reports calls that block, while they block: writes to full pipes on any thread, every",
            "blocking call on event loops, deadlocks between processes. It needs libc alone: glibc",
            "2.28 or later. With another libc the program runs as if the library were not there.",
            ".PP",
            "Durations take a unit (250us, 50ms, 2s; a bare number is milliseconds), sizes K, M, G.",
            "A wrong value is one line in the log, and the default is used.",
            ".SH ENVIRONMENT"]
    for variable, default, accepted, live in settings(path):
        body += [".TP", "\\fB%s\\fR" % variable]
        text = meaning.get(variable, "")
        line = [roff(text[:1].upper() + text[1:] + ".")] if text else []
        line += [roff("Accepted: %s." % accepted.replace("|", " or "))]
        line += [roff("Default: %s." % default)] if default else []
        line += ["\\fBpipeshim set\\fR can change it while the program runs."] if live == "LIVE" else []
        body += [" ".join(line)]
    body += [".SH SEE ALSO", "\\fBpipeshim\\fR(1), \\fBld.so\\fR(8), \\fBpipe\\fR(7)"]
    return page("libpipeshim", 7, "Miscellaneous", version, "\n".join(body) + "\n")


def long_options(text):
    return [(name, value, what) for names, value, what in options(text) for name in names
            if name.startswith("--")]


def bash(all_commands):
    out = ["# pipeshim completion for bash", "_pipeshim()", "{",
           '    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options=""',
           "    COMPREPLY=()",
           '    if [ "$COMP_CWORD" -eq 1 ]; then',
           '        COMPREPLY=($(compgen -W "%s --help --version" -- "$word"))' %
           " ".join(name for name, _, _ in all_commands), "        return", "    fi",
           '    case "$command" in']
    for name, _, text in all_commands:
        out += ["    %s) options=\"%s\" ;;" % (name, " ".join(o for o, _, _ in long_options(text)))]
    out += ["    esac", '    case "$command:$word" in',
            '    *:-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;',
            "    %s) COMPREPLY=($(compgen -W \"$(ps -eo pid= | tr -d ' ')\" -- \"$word\")) ;;" %
            " | ".join("%s:*" % name for name, _, _ in all_commands if name in PIDS),
            '    *) COMPREPLY=($(compgen -f -c -- "$word")) ;;', "    esac", "}",
            "complete -o filenames -F _pipeshim pipeshim"]
    return "\n".join(out) + "\n"


def quoted(text):
    return text.replace("'", "'\\''").replace("[", "(").replace("]", ")").replace(":", "\\:")


def zsh(all_commands):
    out = ["#compdef pipeshim", "local -a commands", "commands=("]
    out += ["    '%s:%s'" % (name, quoted(what)) for name, what, _ in all_commands]
    out += [")", "if (( CURRENT == 2 )); then", "    _describe command commands", "    return", "fi",
            "case $words[2] in"]
    for name, _, text in all_commands:
        rest = "'*:process:_pids'" if name in PIDS else "'*:file:_files'" if name in FILES \
            else "'*::command:_normal'"
        rows = ["'%s[%s]%s'" % (option, quoted(what), ":%s:_files" % quoted(value) if value else "")
                for option, value, what in long_options(text)]
        out += ["%s) shift words; (( CURRENT-- )); _arguments \\" % name]
        out += ["        %s \\" % row for row in rows] + ["        %s ;;" % rest]
    return "\n".join(out + ["esac"]) + "\n"


def fish(all_commands):
    none = "not __fish_seen_subcommand_from " + " ".join(name for name, _, _ in all_commands)
    escape = lambda text: text.replace("\\", "\\\\").replace("'", "\\'")
    out = ["# pipeshim completion for fish"]
    for name, what, text in all_commands:
        out += ["complete -c pipeshim -f -n '%s' -a %s -d '%s'" % (none, name, escape(what))]
        seen = "__fish_seen_subcommand_from " + name
        if name in PIDS:
            out += ["complete -c pipeshim -f -n '%s' -a '(__fish_complete_pids)'" % seen]
        for option, value, told in long_options(text):
            out += ["complete -c pipeshim -n '%s' -l %s%s -d '%s'" %
                    (seen, option[2:], " -r" if value else "", escape(told))]
    return "\n".join(out) + "\n"


def main():
    tool, table, folder = sys.argv[1:]
    all_commands = commands(tool)
    version = say(tool, "--version").split()[1]
    os.makedirs(folder, exist_ok=True)
    run_help = dict((name, text) for name, _, text in all_commands)["run"]
    for name, text in (("pipeshim.1", manual_of_tool(tool, version, all_commands)),
                       ("libpipeshim.7", manual_of_library(table, version, run_help)),
                       ("pipeshim.bash", bash(all_commands)), ("_pipeshim", zsh(all_commands)),
                       ("pipeshim.fish", fish(all_commands))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
