#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's Prometheus, promtool and node_exporter for the tests, unpacked into a folder and not
# installed: an installed one is started, and listens.
#
#   fetch-monitoring.sh FOLDER
set -eu

folder=$1
all_there() {
    for program in prometheus promtool prometheus-node-exporter; do
        command -v "$program" >/dev/null 2>&1 || [ -x "$folder/usr/bin/$program" ] || return 1
    done
}
all_there && exit 0
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    echo "left out: promtool, Prometheus and node_exporter: they come as Debian's packages"
    exit 0
fi
mkdir -p "$folder"
cd "$folder"
# apt's own user may not write here as a rule, and says so.
if apt-get download -qq prometheus prometheus-node-exporter >/dev/null 2>&1; then
    for package in ./*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --wildcards './usr/bin/*'
    done
else
    echo "left out: promtool, Prometheus and node_exporter could not be downloaded"
fi
rm -f ./*.deb
