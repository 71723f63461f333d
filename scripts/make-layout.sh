#!/bin/sh
# SPDX-License-Identifier: MIT
# Reads what `ld --verbose` says and prints the linker's own script with a layout in it, so that a
# start of the library touches few pages, each of which costs it 3 us: the functions that every start
# and end calls, and the constants, lie close behind the symbols, within the 64 KiB that the kernel
# maps at one page fault; and all that is written lies in one page. The objects are compiled with
# -ffunction-sections and -fdata-sections; a name that does not exist any more costs nothing.
#   make-layout.sh OBJECT...
set -eu
start="begin begin_here end symbols_of_known_libc symbol_tables_relro_end calls_past_libc stdio_jumps_install find_libc symbol_next find_from find_in loaded_objects
symbol_tables_read symbol_tables_find symbol_tables_define sysv_hash find_by_gnu_hash defines symbol_of_libc
strcmp strncmp strlen strchr strchrnul strrchr strspn strcspn strnlen memcmp memset memcpy
report_read_settings names_of settings_are_given report_has_defaults next_argument script_argument interpreter_of is_listed path_last_part settings_ask_for_names
settings_read read_variables read_variable find_setting setting_find is_ours turn_of default_of differs use_default
parse_list_has parse_labels setting_parse parse_quantity in_range parse_choice parse_number parse_duration parse_size parse_percent
parse_rate parse_fds parse_log parse_events program_passes is_matched glob_list_match glob_match
executable_path executable_name executable_name_at_start settings_are_active keep_start is_one_of
inherited_filter_prepare find_variable wants_the_start report_wants_the_start log_can_wait
install_stdio replace is_as_expected late_start_prepare life_postpone
close fclose log_forget_stderr life_is_postponed real_function drain_doors_finish life_finish life_active"
# What a process that goes on comes to next.
begin="late_start late_start.part.0 begin_once inherited_filter_read status_read fields_read begin_line end_line take_name take_value take
inherited_filter_accept filters_added begin_watching report_prepare log_prepare program_fd_take make_life
drain_doors_install drain_init modules_init metrics_prepare memory_reader_process watchdog_thread_prepare
report_start life_activate clock_monotonic_ns proc_path slot_claim matters claim is_ready life_begin"
# Variables without a value that every start reads or writes, and what of the texts in struct settings,
# which is filled from its end: 16 KiB of texts, then what they mean.
variables="begun loaded loaded_known libc libc_is_known start begin_here complaints_used config
drain_enabled has_defaults name_is_open real_file_read real_file_write said state"
texts_of_a_start=384

text()
{
    echo "  .text.start : {"
    echo "    *(.text.startup .text.startup.* .text.exit .text.exit.*)"
    for name in $start $begin; do
        echo "    *(.text.$name .text.$name.*)"
    done
    echo "  }"
    echo "  .rodata : { *(.rodata.setting_table .rodata.presets .rodata.setting_parse .rodata.interpreters .rodata.python.* .rodata.javascript.* .rodata.libc_name .rodata.known.* .rodata.units.*) *(.rodata.str1.1 .rodata.*.str1.1) *(.rodata .rodata.* .gnu.linkonce.r.*) }"
}

# Variables that are zero lie in the file, for a mapping of their own costs each start 5 us, and a
# page that is not touched nothing. Behind them, in one page, is all that a start writes, the loader
# included. It ends with variables that are not in the file: those the loader zeroes first, so the
# page is written before it is read, which is one page fault for two.
zero()
{
    echo "  .zero : {"
    echo "    BYTE(0)"
    # shellcheck disable=SC2086
    kept=$(printf ' %s ' $variables settings)
    # The small ones together behind the large ones: a command that makes a few calls touches one page
    # of them. Not nm: of objects with LTO it asks the compiler's plugin, which knows no sizes.
    for large in 1 0; do
        readelf -sW "$@" | awk -v kept="$kept" -v large=$large '
        $4 == "OBJECT" && ($3 ~ /^0x/ || $3 >= 64) == large {
            sub(/\..*/, "", $8)
            if (!index(kept, " " $8 " "))
                print "    *(.bss." $8 " .bss." $8 ".*)"
        }' | sort -u
    done
    echo "    . = ALIGN(CONSTANT(COMMONPAGESIZE)) + $texts_of_a_start;"
    echo "    *(.bss.settings)"
    echo "  }"
}

sed -n '/^=====/,/^=====/{/^=====/!p}' | while IFS= read -r line; do
    case $line in
    *DATA_SEGMENT_ALIGN*)
        echo "  . = ALIGN(CONSTANT(MAXPAGESIZE));"
        zero "$@"
        ;;
    "  .text  "*)
        text
        printf '%s\n' "$line"
        ;;
    *DATA_SEGMENT_RELRO_END*) ;;
    *DATA_SEGMENT_END*) ;;
    *) printf '%s\n' "$line" ;;
    esac
done
