i=0
#MEND sleep 1.5
while [ $i -lt 4000 ]; do
    echo "cc -O2 -c source_$i.c -o object_$i.o"
    i=$((i + 1))
done
