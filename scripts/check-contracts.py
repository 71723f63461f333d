#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each header under shim/ ends with one comment that says in which context its functions run,
whether they are async-signal-safe, and whether they may block. Prints the headers that do not."""
import re
import subprocess
import sys

LINE = re.compile(r"/\* Runs on: [^.]+\. (?:Plain data\.|AS-safe: [^.]+\. Blocks: .+\.) \*/$")
COMMENT = re.compile(r"/\* Runs on: (?:[^*]|\*(?!/))*\*/(?=\s*(?:#endif\s*)?\Z)")


def main():
    status = 0
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "shim/*.h"], check=True,
                            capture_output=True, text=True).stdout
    for path in listed.split():
        with open(path, encoding="utf-8") as file:
            found = COMMENT.search(file.read())
        if not found or not LINE.match(re.sub(r"\s*\n \*\s*", " ", found.group())):
            print('%s: expected at its end "/* Runs on: WHO. AS-safe: yes|no. Blocks: no|WHILE. */"' % path)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
