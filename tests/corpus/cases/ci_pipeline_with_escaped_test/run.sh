# thread: https://github.com/ClickHouse/ClickHouse/pull/113039
# title: `tests | ts | tee`: a wrapper that escaped holds the pipe, ts sees no end, the job is killed
# family: CI
# start: sh run.sh
# parent: ts.py
# verdict: eof_never
# stuck: ts.py read stdin
# other: sleep
# line: ts.py
sh tests.sh | python3 ts.py | cat >log
