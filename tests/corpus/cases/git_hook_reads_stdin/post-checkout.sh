#MEND sleep 1.5
while read -r line; do
    echo "$line"
done
