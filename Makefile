# SPDX-License-Identifier: MIT
# make, make demo, make test, make bench, make lint, make install PREFIX= DESTDIR=, make clean
#
# make install-strip, uninstall, static, dist, deb, test-roots, test-aarch64: scripts/dist.mk (LIBDIR BINDIR
# MANDIR).
# make WERROR=1 takes warnings for errors, as CI does.
# make test-unwind compares the unwinder with libunwind and readelf on many more files than make test.
# make test TESTS="test_lag test_glob" runs only these, JOBS=1 one after the other.
# demo and test install what is missing first (scripts/install-dependencies.sh); the others only
# build. SANITIZE=address|thread|undefined builds everything that can run under that sanitizer.

PREFIX   ?= /usr/local
DESTDIR  ?=
CC       ?= gcc
SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),/$(SANITIZE))
VERSION  := 0.1.0

# Warnings are errors in CI, or with WERROR=1: another compiler knows others.
WARNINGS := -Wall -Wextra -Wshadow $(if $(CI)$(WERROR),-Werror)
CPPFLAGS += -Ishim -D_GNU_SOURCE -DPIPESHIM_VERSION='"$(VERSION)"'
# Any finding ends the program with a failure, UBSan's too. TSan knows no fences, and gcc warns of it.
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
                  -fno-omit-frame-pointer $(if $(findstring thread,$(SANITIZE)),-Wno-tsan))
# No path of the machine that builds is in what it builds.
CFLAGS   += -std=gnu11 -O2 -g $(WARNINGS) $(SANITIZE_FLAGS) -ffile-prefix-map=$(CURDIR)=.
LDFLAGS  += $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# The preloaded library. Fortify off: a __*_chk import would be one of the names it interposes.
# No outline atomics (aarch64): libgcc would ask for a name that musl hides.
# initial-exec: the slot pointer is read on every call and must never allocate.
# A sanitizer's runtime cannot be preloaded with it; UBSan alone does without, and traps.
SHIM_CFLAGS := $(filter-out -fsanitize=%,$(CFLAGS)) -fPIC -fvisibility=hidden \
               -fasynchronous-unwind-tables -ftls-model=initial-exec -fno-optimize-sibling-calls \
               $(if $(findstring aarch64,$(shell $(CC) -dumpmachine)),-mno-outline-atomics) \
               -fno-stack-protector -U_FORTIFY_SOURCE -ffunction-sections -fdata-sections \
               $(if $(findstring undefined,$(SANITIZE)),-fsanitize=undefined -fsanitize-undefined-trap-on-error)
# Each mapping costs every start of a program 5 us: so code and constants are in one, variables in
# the other, and the GOT is not made read-only behind the relocation (it would protect nothing: the
# pointers to the real functions, which are called on every write, are bound at their first use).
SHIM_LDFLAGS := -shared -Wl,-soname,libpipeshim.so -Wl,-z,now -Wl,-z,nodelete -Wl,-z,defs \
                -Wl,--build-id -Wl,--version-script=$(BUILD)/exports.map \
                -nostartfiles -Wl,-z,noseparate-code -Wl,-z,norelro

# shim/cli is the command-line tool; all other folders make the library.
SHIM_SOURCES := $(filter-out shim/cli/%,$(wildcard shim/*/*.c shim/*/*/*.c))
SHIM_OBJECTS := $(SHIM_SOURCES:%.c=$(BUILD)/pic/%.o)
# What unit tests and the tool link: the library's code without its doors (which export libc names)
# and without its constructor.
CORE_SOURCES := $(filter-out shim/doors/% shim/main/%,$(SHIM_SOURCES))
CORE_OBJECTS := $(CORE_SOURCES:%.c=$(BUILD)/core/%.o)
CLI_SOURCES  := $(wildcard shim/cli/*.c shim/cli/*/*.c)
CLI_OBJECTS  := $(CLI_SOURCES:%.c=$(BUILD)/core/%.o)
CLI_PACKAGES := jansson libdw libelf ncursesw
# libstdc++ has the demangler; it goes into the tool, which asks for no library of a compiler.
CLI_LIBS      = $(shell pkg-config --libs $(CLI_PACKAGES)) -static-libgcc -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic

UNIT_TESTS        := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
VICTIMS           := $(patsubst tests/victims/%.c,$(BUILD)/victims/%,$(wildcard tests/victims/*.c)) \
                     $(patsubst tests/victims/%.cc,$(BUILD)/victims/%,$(wildcard tests/victims/*.cc))
TEST_TOOLS        := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
# libunwind as the reference that the library's own unwinder is compared with.
UNWIND_TESTS      := $(BUILD)/tests/reference/compare_rows $(BUILD)/tests/reference/live_stacks.so
REFERENCE         := $(patsubst %.c,$(BUILD)/core/%.o,$(wildcard tests/reference/libunwind_*.c))
TEST_SUPPORT      := $(BUILD)/tests/libsupport.a
SUPPORT_OBJECTS   := $(patsubst %.c,$(BUILD)/core/%.o,$(wildcard tests/support/*.c))

# On a terminal one line that is written anew at each step, and a line for each result; make V=1
# shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@$(if $(filter LINK DOC,$(1)),echo '  $(1) $(2)',\
      $(if $(MAKE_TERMOUT),printf '\r\033[K  %s %s\r' '$(1)' '$(notdir $(2))',:)))

.PHONY: all demo test test-node test-unwind soak-report soak-javascript soak-drain soak-drain-group soak-loop soak-life third-party corpus bench fuzz lint format clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/libpipeshim.so $(if $(CLI_SOURCES),$(BUILD)/pipeshim)

$(BUILD)/exports.map: shim/facts/calls.def scripts/make-exports.sh
	@mkdir -p $(@D)
	$(Q)sh scripts/make-exports.sh shim/facts/calls.def > $@

# A queued write takes some 130 ns and goes through seven files: without this it is 10 ns more. Not by
# -O3, which is 15 ns less: what it puts into one frame is more than a small stack has.
DRAINER := $(BUILD)/pic/shim/doors/drain_doors.o $(filter $(BUILD)/pic/shim/drain/%,$(SHIM_OBJECTS))
$(DRAINER): SHIM_CFLAGS += -flto -ffat-lto-objects
# A frame between a call and the kernel is a return that the processor does not foretell.
$(addprefix $(BUILD)/pic/shim/doors/,drain_doors.o wait_doors.o): SHIM_CFLAGS += -foptimize-sibling-calls

$(BUILD)/layout.ld: $(SHIM_OBJECTS) $(BUILD)/exports.map scripts/make-layout.sh
	$(Q)$(CC) $(SHIM_LDFLAGS) -Wl,--verbose -o $@.linked 2>/dev/null | sh scripts/make-layout.sh $(SHIM_OBJECTS) > $@
	$(Q)rm -f $@.linked

$(BUILD)/libpipeshim.so: $(SHIM_OBJECTS) $(BUILD)/exports.map $(BUILD)/layout.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(SHIM_CFLAGS) -flto=auto -flto-partition=one $(SHIM_LDFLAGS) $$(test ! -s $(BUILD)/layout.ld || echo -Wl,-T,$(BUILD)/layout.ld) -o $@.linked $(SHIM_OBJECTS)
	$(Q)sh scripts/check-library.sh $@.linked
	@# As it is when installed: what a linker writes piece by piece lies in small pieces in the page
	@# cache, which costs a start 8 us.
	$(Q)cp $@.linked $@.new && mv $@.new $@ && rm $@.linked

# It defines what the compiler takes for granted.
$(BUILD)/pic/shim/main/strings.o: SHIM_CFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns

$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_CFLAGS) -MMD -MP -c -o $@ $<

# PIPESHIM_CORE: system calls that a unit test can make fail (base/raw_syscall.h).
$(BUILD)/core/%.o: CPPFLAGS += -DPIPESHIM_CORE
$(BUILD)/core/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libcore.a: $(CORE_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(CORE_OBJECTS)

# An archive: each test takes the files that it needs.
$(TEST_SUPPORT): $(SUPPORT_OBJECTS)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(SUPPORT_OBJECTS)

$(BUILD)/pipeshim: $(CLI_OBJECTS) $(BUILD)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(CLI_OBJECTS) $(BUILD)/libcore.a $(CLI_LIBS)

$(BUILD)/tests/unit/%: tests/unit/%.c $(TEST_SUPPORT) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -DPIPESHIM_CORE -Itests/support $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(BUILD)/libcore.a -lcmocka -ljansson -pthread

$(BUILD)/tests/reference/%: tests/reference/%.c $(REFERENCE) $(TEST_SUPPORT) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -Itests/support $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(REFERENCE) $(TEST_SUPPORT) $(BUILD)/libcore.a

# Preloaded, as the library is, but without its doors.
LIVE_OBJECTS := $(patsubst %.c,$(BUILD)/pic/%.o,$(wildcard tests/reference/libunwind_*.c) tests/reference/live_stacks.c)
LIVE_ARCHIVE := $(BUILD)/tests/reference/live.a
$(LIVE_ARCHIVE): $(filter-out $(BUILD)/pic/shim/doors/% $(BUILD)/pic/shim/main/% $(BUILD)/pic/shim/drain/%,$(SHIM_OBJECTS))
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/tests/reference/live_stacks.so: $(LIVE_OBJECTS) $(LIVE_ARCHIVE)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-z,defs -o $@ $^

$(BUILD)/bench/unwind_cost: $(REFERENCE)
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -Itests/reference $(CFLAGS) $(LDFLAGS) -o $@ $< $(filter %.o,$^) $(BUILD)/libcore.a -pthread

# Small programs around library code, for tests that look from another process.
$(BUILD)/tests/tools/%: tests/tools/%.c $(TEST_SUPPORT) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -Itests/support $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(BUILD)/libcore.a

# The library under AddressSanitizer, for `make soak-life`: its runtime must be preloaded first, and
# what the watchdog, which has no thread-local variables, calls of it works without any.
ASAN_OBJECTS := $(SHIM_SOURCES:%.c=$(BUILD)/asan/%.o)
ASAN_LIBRARY := $(BUILD)/asan/libpipeshim.so
$(BUILD)/asan/shim/main/strings.o: ASAN_FLAGS := -fno-builtin -fno-tree-loop-distribute-patterns -fno-sanitize=address
$(BUILD)/asan/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_CFLAGS) -O1 -fno-omit-frame-pointer -fsanitize=address $(ASAN_FLAGS) -MMD -MP -c -o $@ $<

$(ASAN_LIBRARY): $(ASAN_OBJECTS) $(BUILD)/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -fsanitize=address -Wl,-soname,libpipeshim.so -Wl,-z,now -Wl,-z,nodelete \
	-Wl,--version-script=$(BUILD)/exports.map -o $@ $(ASAN_OBJECTS)

# The page is inside the executable (.incbin), which -MMD does not see.
$(BUILD)/core/shim/cli/report/page.o: shim/cli/report/page.html

# All that can run under a sanitizer, one line a test: 5 minutes each for a small machine.
sanitize:
	sh scripts/install-dependencies.sh test
	sh scripts/sanitize.sh undefined address

# Fuzz targets are built whole with clang: libFuzzer needs its coverage in the code under test.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz:
	sh scripts/install-dependencies.sh fuzz
	$(MAKE) $(FUZZ_TARGETS) $(BUILD)/fuzz/javascript.recording
	sh scripts/fuzz.sh $(BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# A process of Node's as the target replays it.
$(BUILD)/fuzz/javascript.recording: $(BUILD)/tests/tools/javascript_frames
	@mkdir -p $(@D)
	/usr/bin/python3 tests/bench/javascript.py $(BUILD) $@

FUZZ_FLAGS     := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZED_OBJECTS := $(patsubst %.c,$(BUILD)/fuzz/objects/%.o,$(CORE_SOURCES) tests/support/python_image.c \
                  tests/support/perl_image.c \
                  $(filter-out shim/cli/main.c,$(CLI_SOURCES)))
$(BUILD)/fuzz/objects/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)clang $(CPPFLAGS) -Itests/support $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

# An archive: each target takes the files that it needs.
$(BUILD)/fuzz/libfuzzed.a: $(FUZZED_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(FUZZED_OBJECTS)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/libfuzzed.a
	$(call say,CLANG,$@)
	$(Q)clang $(CPPFLAGS) -Itests/support $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $(filter %.c %.a,$^) $(CLI_LIBS)

# Victims are ordinary programs: no project header, no sanitizer of ours.
$(BUILD)/victims/%: tests/victims/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -fno-inline $(WARNINGS) $(VICTIM_FLAGS) -o $@ $(filter %.c,$^) -pthread

# One of several files has its parts in a folder of its name.
$(BUILD)/victims/sandbox: $(wildcard tests/victims/sandbox/*)
$(BUILD)/victims/soak_life: $(wildcard tests/victims/soak_life/*)
$(BUILD)/victims/addon_host: VICTIM_FLAGS := -rdynamic
$(BUILD)/victims/static_writer: VICTIM_FLAGS := -static

$(BUILD)/victims/%: tests/victims/%.cc
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) -O1 -g -fno-inline $(WARNINGS) -o $@ $< -pthread

demo:
	sh scripts/install-dependencies.sh demo
	$(MAKE) all $(BUILD)/victims/engine
	sh scripts/demo.sh $(BUILD)

test:
	sh scripts/install-dependencies.sh test
	sh scripts/fetch-monitoring.sh $(BUILD)/monitoring
	$(MAKE) all $(UNIT_TESTS) $(TEST_TOOLS) $(VICTIMS) $(UNWIND_TESTS)
	SANITIZE=$(SANITIZE) JOBS=$(JOBS) sh scripts/run-tests.sh $(BUILD) $(TESTS)

# For aarch64: the tables' readers and the unwinder, run by qemu-user, with signed return addresses.
CROSS         ?= aarch64-linux-gnu-
CROSS_CC      := $(CROSS)gcc $(CPPFLAGS) -Itests/aarch64 -Itests/support -std=gnu11 -O2 -g $(WARNINGS) \
                 -mbranch-protection=pac-ret+leaf
CROSS_SOURCES := $(wildcard shim/explain/cfi/*.c shim/explain/unwind*.c shim/base/*.c) \
                 shim/explain/stack_snapshot.c shim/explain/return_address.c shim/explain/modules.c \
                 shim/explain/mapped_file.c shim/explain/maps.c shim/kernel/memory_reader.c \
                 shim/kernel/proc_text.c shim/kernel/text_cursor.c shim/kernel/proc_reader.c shim/process/executable.c tests/support/elf_image.c tests/support/cfi_image.c
CROSS_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/aarch64/%,$(wildcard tests/unit/test_cfi_*.c))
$(BUILD)/aarch64/%: tests/tools/%.c $(CROSS_SOURCES)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CROSS_CC) -o $@ $^

$(BUILD)/aarch64/%: tests/unit/%.c $(CROSS_SOURCES)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CROSS_CC) -o $@ $^

# The unwinder against its references: all rows of many files, stacks of 190 programs; 3 minutes.
test-unwind:
	sh scripts/install-dependencies.sh unwind
	$(MAKE) all $(BUILD)/tests/tools/cfi_rows $(UNWIND_TESTS) $(BUILD)/aarch64/cfi_rows $(CROSS_TESTS) $(BUILD)/victims/drain_stdio
	TEST_SECONDS=1800 PIPESHIM_TEST_SWEEP=1 sh scripts/run-tests.sh $(BUILD) test_unwind_tables test_live_stacks

# 1 GB of log with more of everything than the tables hold; the test in `make test` reads 50 MB.
soak-report: $(BUILD)/pipeshim
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) PIPESHIM_REPORT_TEST_MB=1024 /usr/bin/python3 tests/integration/report/test_report_size.py

# Programs of others with and without the library: half an hour; what is not installed is left out.
# LTP=TREE: a built tree of the Linux Test Project as well.
third-party: all
	sh scripts/third-party.sh $(BUILD)
	$(if $(LTP),sh scripts/third-party-ltp.sh $(BUILD) $(LTP))

# Sixty hangs from public issue trackers: what is said of each, by whom, how soon; beside it what strace,
# lsof and gdb show of it. Minutes. CASES="mcp_* ffmpeg_*" runs only these, OPTIONS=--verbose shows what was said.
corpus: all
	sh scripts/install-dependencies.sh corpus
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 tests/corpus/run_corpus.py $(OPTIONS) $(CASES)

# JavaScript frames on every Node from 18 to 26 that npm can install (some 700 MB, kept in BUILD).
test-node: all
	PIPESHIM_TEST_NODES=all PIPESHIM_TEST_PROGRAMS=12 sh scripts/run-tests.sh $(BUILD) test_javascript_frames test_javascript_random test_members

# A minute of JavaScript whose heap is collected all the time; the test in `make test` takes 5 s.
soak-javascript: all
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) PIPESHIM_TEST_COLLECTING_SECONDS=60 /usr/bin/python3 tests/integration/javascript/test_javascript_running.py Running.test_nothing_is_wrong_while_the_heap_is_collected

# A minute of lag under sampling, in which no call may return EINTR; the test in `make test` takes 6 s.
soak-loop: all $(BUILD)/victims/eintr_loop
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) PIPESHIM_TEST_EINTR_SECONDS=60 /usr/bin/python3 tests/integration/loops/test_lag.py Lag.test_perf_events_interrupt_nothing Lag.test_timer_interrupts_nothing

# 300 kills of the whole process group, most in the first moments of a queue.
soak-drain-group: all $(BUILD)/victims/drain_counter
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) PIPESHIM_TEST_ROUNDS=300 /usr/bin/python3 tests/integration/drain/test_drain_group.py Group.test_kill_9_of_the_group

# Random faults, every byte compared; prints its seed, and SEED= repeats one.
SECONDS ?= 180
soak-drain: all $(BUILD)/victims/drain_writers $(BUILD)/victims/drain_counter $(BUILD)/victims/drain_jumps $(BUILD)/victims/drain_interrupts
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 tests/soak/drain_soak.py $(SECONDS) $(SEED)

# Programs that fork, sandbox themselves, give up rights, are cancelled and jump while each call of
# 1 ms is reported, lived with the library and without. DRAIN=full|behind puts the drainer into them;
# ASAN=1 takes a library that is built with AddressSanitizer.
soak-life: all $(BUILD)/victims/soak_life $(if $(ASAN),$(ASAN_LIBRARY))
	PIPESHIM_BUILD=$(CURDIR)/$(BUILD) PIPESHIM_SOAK_DRAIN=$(DRAIN) PIPESHIM_SOAK_ASAN=$(ASAN) /usr/bin/python3 tests/soak/life_soak.py $(SECONDS) $(SEED)

# Its parts, each a make target of its own: bench-PART.
BENCHES := hot start others threads idle report loops canary drain diagnose javascript
bench:
	for part in $(BENCHES); do $(MAKE) bench-$$part || exit; done # one after the other, with -j too

.PHONY: $(BENCHES:%=bench-%) bench-tools
bench-tools:
	sh scripts/install-dependencies.sh bench

# The hot path, and what else a single call costs.
bench-hot: all bench-tools $(BUILD)/bench/hot_path $(BUILD)/bench/hot_calls $(BUILD)/bench/open_cost
	/usr/bin/python3 tests/bench/bench.py $(BUILD) hot_calls hot_path instructions
	for flags in 0 1; do $(BUILD)/bench/open_cost $$flags; LD_PRELOAD=$(CURDIR)/$(BUILD)/libpipeshim.so $(BUILD)/bench/open_cost $$flags; done

bench-start: all bench-tools $(BUILD)/bench/start
	$(BUILD)/bench/start $(CURDIR)/$(BUILD)/libpipeshim.so
	/usr/bin/python3 tests/bench/bench.py $(BUILD) start_instructions

bench-others: all bench-tools $(BUILD)/bench/hot_path
	/usr/bin/python3 tests/bench/bench.py $(BUILD) others

# The watchdog: beside a program that waits, or writes, or has a thousand threads; and of idle processes.
bench-threads: all
	/usr/bin/python3 tests/bench/bench.py $(BUILD) watchdog latency

bench-idle: all $(BUILD)/bench/idle_server
	/usr/bin/python3 tests/bench/bench.py $(BUILD) idle_processes
	/usr/bin/python3 tests/bench/idle_host.py $(BUILD) 1000

bench-report: all bench-tools $(BUILD)/bench/unwind_cost
	/usr/bin/python3 tests/bench/report_cost.py $(BUILD)
	$(BUILD)/bench/unwind_cost

bench-loops: all bench-tools $(BUILD)/bench/epoll_cycle
	/usr/bin/python3 tests/bench/loops.py $(BUILD)

$(BUILD)/bench/past_doors.so: tests/bench/past_doors.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

bench-canary: all bench-tools $(BUILD)/bench/past_doors.so
	/usr/bin/python3 tests/bench/canary.py $(BUILD)
	/usr/bin/python3 tests/bench/canary.py $(BUILD) --one-process
	/usr/bin/python3 tests/bench/request_instructions.py $(BUILD)

bench-drain: all $(BUILD)/bench/drain_writes $(BUILD)/bench/ideal_queue
	for size in 64 512 1024; do $(BUILD)/bench/ideal_queue $$size 200; done
	/usr/bin/python3 tests/bench/drain.py $(BUILD)

bench-diagnose: all
	sh scripts/bench-diagnose.sh $(BUILD)
	/usr/bin/python3 tests/bench/waits.py $(BUILD)
	/usr/bin/python3 tests/bench/top.py $(BUILD)

bench-javascript: all bench-tools $(BUILD)/tests/tools/javascript_frames
	/usr/bin/python3 tests/bench/javascript.py $(BUILD)

# Style, the rooms, static checks; FILES="shim/…/x.c" checks these only.
lint:
	sh scripts/install-dependencies.sh lint
	sh scripts/lint.sh $(FILES)

format:
	clang-format -i $(shell git ls-files '*.c' '*.h' ':!tests/corpus/cases')

include scripts/dist.mk

clean:
	rm -rf build

-include $(SHIM_OBJECTS:.o=.d) $(CORE_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d) $(SUPPORT_OBJECTS:.o=.d) $(ASAN_OBJECTS:.o=.d) $(wildcard $(BUILD)/tests/*/*.d $(BUILD)/fuzz/*.d) $(FUZZED_OBJECTS:.o=.d)
