#MEND sleep 1.5
i=0
while [ $i -lt 3000 ]; do
    echo "remote: Compressing objects: module_$i"
    i=$((i + 1))
done
