# thread: https://github.com/alphaonedev/ai-memory-mcp/issues/3888
# title: all tests passed, then no summary and no exit: the reader of stdout had stopped to read
# family: CI
# start: sh job.sh
# parent: collector.py
# child: harness
# verdict: reader_away
# stuck: harness write stdout
# other: collector.py
# line: collector.py
./harness | python3 collector.py
