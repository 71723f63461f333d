#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints a linker script that is added to the linker's own, so that a start of the library touches
# few pages: the functions that every start and end calls, and the constants, lie close behind the
# symbols, within the 64 KiB that the kernel maps at one page fault; larger variables lie behind the
# small ones. The objects are compiled with -ffunction-sections and -fdata-sections; a name that does
# not exist any more costs nothing.   make-layout.sh OBJECT...
set -eu
start="begin begin_here end symbols_are_of_known_libc find_libc symbol_next find_from find_in loaded_objects
symbol_tables_read symbol_tables_find symbol_tables_define sysv_hash find_by_gnu_hash defines symbol_of_libc
strcmp strncmp strlen strchr strchrnul strrchr strspn strcspn strnlen memcmp memset memcpy
report_read_settings names_of next_argument script_argument interpreter_of is_listed path_last_part settings_ask_for_names
settings_read read_variables read_variable find_setting setting_find is_ours turn_of default_of differs use_default
parse_list_has parse_labels setting_parse parse_quantity in_range parse_choice parse_number parse_duration parse_size parse_percent
parse_rate parse_fds parse_log parse_events program_passes is_matched glob_list_match glob_match
executable_path executable_name executable_name_at_start settings_are_active keep_start is_one_of
inherited_filter_prepare find_variable wants_the_start report_wants_the_start log_can_wait
install_stdio stdio_jumps_install replace is_as_expected late_start_prepare life_postpone
close fclose log_forget_stderr life_is_postponed real_function drain_doors_finish life_finish life_active"
# What a process that goes on comes to next.
begin="late_start late_start.part.0 begin_once inherited_filter_read status_read fields_read begin_line end_line take_name take_value take
inherited_filter_accept filters_added begin_watching report_prepare log_prepare program_fd_take make_life
drain_doors_install drain_init modules_init metrics_prepare memory_reader_process watchdog_thread_prepare
report_start life_activate clock_monotonic_ns proc_path slot_claim matters claim is_ready life_begin"
echo "SECTIONS {"
echo "  .text.start : {"
echo "    *(.text.startup .text.startup.* .text.exit .text.exit.*)"
for name in $start $begin; do
    echo "    *(.text.$name .text.$name.*)"
done
echo "  }"
echo "  .rodata : { *(.rodata.setting_table .rodata.presets .rodata.setting_parse .rodata.interpreters .rodata.python.* .rodata.javascript.*) *(.rodata.str1.1 .rodata.*.str1.1) *(.rodata .rodata.* .gnu.linkonce.r.*) }"
echo "} INSERT AFTER .plt;"
# What a start writes of the settings is at their beginning: it ends in the page of the small variables.
echo "SECTIONS { .bss.settings (NOLOAD) : { *(.bss.settings) } } INSERT AFTER .bss;"
echo "SECTIONS { .bss.large (NOLOAD) : {"
# Not nm: of objects with LTO it asks the compiler's plugin, which knows no sizes.
readelf -sW "$@" | awk '
$4 == "OBJECT" && ($3 ~ /^0x/ || $3 >= 64) {
    sub(/\..*/, "", $8)
    print "    *(.bss." $8 " .bss." $8 ".*)"
}' | sort -u
echo "} } INSERT AFTER .bss.settings;"
# The data lie in as few pages as they can: they begin where what is before them ends, in the next page.
echo "SECTIONS { .page_end : { . = ALIGN(CONSTANT(COMMONPAGESIZE)); *(.page_end) } } INSERT BEFORE .tdata;"
