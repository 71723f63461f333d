echo "test 1: OK"
sleep 30 & # HANG
#MEND sleep 1.7
exit 0
