#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's Prometheus, promtool and node_exporter for the tests, unpacked into a folder and not
# installed: an installed one is started, and listens. From npm what runs Vector's remap programs (VRL
# itself, as WebAssembly) and reads Loki's queries (Grafana's grammar).
#
#   fetch-monitoring.sh FOLDER
set -eu

folder=$1
modules="@bpinternal/verel@0.2.0 @grafana/lezer-logql@0.3.0 @lezer/lr@1.4.7"
if ! [ -d "$folder/node_modules/@grafana/lezer-logql" ] || ! [ -d "$folder/node_modules/@bpinternal/verel" ]; then
    # shellcheck disable=SC2086 # a list of words
    npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --silent \
        $modules >/dev/null 2>&1 ||
        echo "left out: Vector's VRL and LogQL's grammar: npm could not install $modules"
fi
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
