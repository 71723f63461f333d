# thread: https://github.com/tianocore/edk2-pytool-library/issues/129
# title: RunCmd("git", "diff …") hangs when the diff is large
# family: git
# start: python3 check.py
# parent: check.py
# child: git
# verdict: deadlock
# stuck: git write stdout
# other: check.py
# line: check.py
# needs: git
import subprocess
import time

for name in ("before", "after"):
    with open(name, "w") as file:
        file.writelines("%s line %d of a licence\n" % (name, i) for i in range(10000))
diff = subprocess.Popen(["git", "--no-pager", "diff", "--no-index", "before", "after"],
                        stdout=subprocess.PIPE)
#MEND time.sleep(1.5)
#MEND diff.stdout.read()
diff.wait()  # HERE
