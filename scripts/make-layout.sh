#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints a linker script that is added to the linker's own, so that a start of the library touches
# few pages: the functions that every start and end calls, and the constants, lie close behind the
# symbols, within the 64 KiB that the kernel maps at one page fault; larger variables lie behind the
# small ones. The objects are compiled with -ffunction-sections and -fdata-sections; a name that does
# not exist any more costs nothing.   make-layout.sh OBJECT...
set -eu
start="begin begin_here end symbols_are_of_known_libc symbol_next find_from find_in loaded_objects
symbol_tables_read symbol_tables_find symbol_tables_define find_by_gnu_hash defines report_prepare
names_of next_argument script_argument path_last_part settings_ask_for_names settings_read
read_variables read_variable find_setting turn_of default_of differs use_default setting_parse setting_find parse_choice parse_number
parse_duration parse_size parse_percent parse_rate parse_fds parse_log glob_list_match glob_match
executable_path executable_name executable_name_at_start settings_are_active log_prepare
drain_doors_install drain_init modules_init stdio_jumps_install watchdog_thread_prepare report_start
life_activate drain_doors_finish life_finish judge_end_all lag_end_all event_loops_for_each
strcmp strncmp strlen strchr strrchr strspn strcspn strnlen memcmp memset memcpy
judge_wait_for_ends life_reporting_begin life_reporting_end report_summary rights_hold
inherited_filter_permits find_variable status_read begin_line end_line take_name take_value take
report_read_settings settings_stack_depth clock_monotonic_ns proc_path filters_added find_python find_javascript make_life"
echo "SECTIONS {"
echo "  .rodata : { *(.rodata .rodata.* .gnu.linkonce.r.*) }"
echo "  .text.start : {"
for name in $start; do
    echo "    *(.text.$name .text.$name.*)"
done
echo "  }"
echo "} INSERT AFTER .rela.plt;"
echo "SECTIONS { .bss.large (NOLOAD) : {"
# Not nm: of objects with LTO it asks the compiler's plugin, which knows no sizes.
readelf -sW "$@" | awk '
$4 == "OBJECT" && ($3 ~ /^0x/ || $3 >= 256) {
    sub(/\..*/, "", $8)
    print "    *(.bss." $8 " .bss." $8 ".*)"
}' | sort -u
echo "} } INSERT AFTER .bss;"
