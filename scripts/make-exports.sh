#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the linker's version script for the names in the table of interposed calls and the status
# page and mailbox; nothing else is visible.   make-exports.sh shim/facts/calls.def
set -eu
echo "{ global:"
# Read and written from outside: facts/status_page.h, facts/mailbox.h.
echo "    pipeshim_status; pipeshim_mailbox;"
# The name is the second argument of a row, the first of the CALL_VOID rows.
sed -n -E \
    -e 's/^CALL_VOID(_VARIADIC)?\(([A-Za-z0-9_]+),.*/    \2;/p' \
    -e 's/^(CALL|CALL_ENTERED|CALL_VARIADIC|CALL_READINESS|CONTROL)\([^,]+, ([A-Za-z0-9_]+),.*/    \2;/p' "$1"
echo "  local: *; };"
