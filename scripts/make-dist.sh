#!/bin/sh
# SPDX-License-Identifier: MIT
# The archive that is handed out: one folder with the library, the static tool, manual pages,
# completions and contrib/, stripped, the same bytes at each build.   make-dist.sh BUILD NAME
set -eu
build=$1
name=$2
folder=$build/dist/$name
rm -rf "$folder"
install -d "$folder/lib" "$folder/bin" "$folder/share/man/man1" "$folder/share/man/man7" \
    "$folder/share/bash-completion/completions" "$folder/share/zsh/site-functions" \
    "$folder/share/fish/vendor_completions.d"
strip=${STRIP:-strip}
"$strip" -o "$folder/lib/libpipeshim.so" "$build/libpipeshim.so"
"$strip" -o "$folder/bin/pipeshim" "$build/static/pipeshim"
chmod 755 "$folder/bin/pipeshim" "$folder/lib/libpipeshim.so"
sh scripts/check-library.sh "$folder/lib/libpipeshim.so"
documents=$build/documents
install -m 644 "$documents/pipeshim.1" "$folder/share/man/man1/"
install -m 644 "$documents/libpipeshim.7" "$folder/share/man/man7/"
install -m 644 "$documents/pipeshim.bash" "$folder/share/bash-completion/completions/pipeshim"
install -m 644 "$documents/_pipeshim" "$folder/share/zsh/site-functions/"
install -m 644 "$documents/pipeshim.fish" "$folder/share/fish/vendor_completions.d/"
install -m 644 ./*.md LICENSE "$folder/"
cp -R docs "$folder/docs"
cp -R contrib "$folder/contrib"
if grep -q "$PWD" "$folder/bin/pipeshim" "$folder/lib/libpipeshim.so"; then
    echo "make-dist.sh: the path of this build, $PWD, is in the binaries" >&2
    exit 1
fi
when=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$when" \
    -C "$build/dist" -cf - "$name" | gzip -9n > "$build/$name.tar.gz"
echo "  DIST $build/$name.tar.gz"
