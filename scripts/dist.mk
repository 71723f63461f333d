# SPDX-License-Identifier: MIT
# What is handed out: install, install-strip, uninstall, static, dist, deb; and where it is proved:
# test-roots, test-arm64, test-aarch64.

LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/pipeshim
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
DIST := pipeshim-$(VERSION)-linux-$(ARCH)

# The tool without any library: for images that have libc alone, or another one.
STATIC_LIBS = $(shell pkg-config --static --libs $(CLI_PACKAGES)) -lstdc++
$(BUILD)/static/pipeshim: $(CLI_OBJECTS) $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -static -o $@ $(CLI_OBJECTS) $(BUILD)/libcore.a -Wl,--start-group $(STATIC_LIBS) -Wl,--end-group

# Manual pages and completions, from what --help and the table of settings say.
DOCUMENTS := $(BUILD)/documents
$(DOCUMENTS)/pipeshim.1: $(BUILD)/pipeshim shim/config/settings.def scripts/make-documents.py
	$(call say,DOC,$(@D))
	$(Q)/usr/bin/python3 scripts/make-documents.py $(BUILD)/pipeshim shim/config/settings.def $(DOCUMENTS)

.PHONY: static documents install install-strip uninstall dist deb test-roots test-arm64 test-aarch64
static: $(BUILD)/static/pipeshim
documents: $(DOCUMENTS)/pipeshim.1

# $(1): the folder that stands for /, $(2): options of install(1) for what is executed
define install_files
	install -d $(1)$(LIBDIR) $(1)$(BINDIR) $(1)$(MANDIR)/man1 $(1)$(MANDIR)/man7
	install -d $(1)$(BASHCOMPDIR) $(1)$(ZSHCOMPDIR) $(1)$(FISHCOMPDIR)
	install $(2) -m 644 $(BUILD)/libpipeshim.so $(1)$(LIBDIR)/
	install $(2) -m 755 $(BUILD)/pipeshim $(1)$(BINDIR)/
	install -m 644 $(DOCUMENTS)/pipeshim.1 $(1)$(MANDIR)/man1/
	install -m 644 $(DOCUMENTS)/libpipeshim.7 $(1)$(MANDIR)/man7/
	install -m 644 $(DOCUMENTS)/pipeshim.bash $(1)$(BASHCOMPDIR)/pipeshim
	install -m 644 $(DOCUMENTS)/_pipeshim $(1)$(ZSHCOMPDIR)/
	install -m 644 $(DOCUMENTS)/pipeshim.fish $(1)$(FISHCOMPDIR)/
endef

install: all documents
	$(call install_files,$(DESTDIR),)

install-strip: all documents
	$(call install_files,$(DESTDIR),-s)

uninstall:
	rm -f $(DESTDIR)$(LIBDIR)/libpipeshim.so $(DESTDIR)$(BINDIR)/pipeshim \
	$(DESTDIR)$(MANDIR)/man1/pipeshim.1 $(DESTDIR)$(MANDIR)/man7/libpipeshim.7 \
	$(DESTDIR)$(BASHCOMPDIR)/pipeshim $(DESTDIR)$(ZSHCOMPDIR)/_pipeshim \
	$(DESTDIR)$(FISHCOMPDIR)/pipeshim.fish

# One archive for every distribution: the library asks for no more than glibc 2.28, the tool for none.
dist: all documents static
	$(Q)sh scripts/make-dist.sh $(BUILD) $(DIST)

deb:
	$(Q)sh scripts/make-deb.sh $(BUILD) $(VERSION)

# The same files in systems of other releases (ROOTS), which debootstrap makes under ROOTS_DIR.
ROOTS     ?= bullseye bookworm trixie sid
ROOTS_DIR ?= $(BUILD)/roots
test-roots: dist $(BUILD)/victims/engine
	sh scripts/test-roots.sh $(BUILD) $(DIST) $(ROOTS_DIR) $(ROOTS)

# The library for aarch64, as far as qemu-user can run it.
test-arm64:
	sh scripts/install-dependencies.sh arm64
	$(MAKE) CC=$(CROSS)gcc BUILD=$(BUILD)/arm64 WERROR= CI= $(BUILD)/arm64/libpipeshim.so
	bash scripts/test-arm64.sh $(CURDIR)/$(BUILD)/arm64/libpipeshim.so

# Library, static tool and unit tests on an emulated machine, in a system that debootstrap unpacks to
# AARCH64_ROOT; minutes, as root.
AARCH64_ROOT ?= $(CURDIR)/$(BUILD)/aarch64-root
test-aarch64:
	sh scripts/install-dependencies.sh aarch64
	MAKE="$(MAKE)" bash scripts/test-aarch64.sh $(BUILD)/aarch64-linux $(AARCH64_ROOT)
