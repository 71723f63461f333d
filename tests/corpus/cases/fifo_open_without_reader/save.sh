# thread: https://github.com/Digital-Process-Tools/claude-remember/issues/653
# title: `>` on a FIFO without a reader blocks in open(2), with the lock held
# family: FIFOs
# start: sh save.sh
# parent: save.sh
# verdict: no_reader
# stuck: save.sh open *
# line: save.sh
mkfifo marker
#MEND cat <marker >/dev/null &
#MEND sleep 1.5
echo "$$" >marker # HERE
