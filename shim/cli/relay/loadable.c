// SPDX-License-Identifier: MIT
#include "cli/relay/loadable.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPT_DEPTH = 4, HEADERS = 64, NOTES = 4096 };

#if defined(__x86_64__)
enum { OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#endif

/* As execvp(3): the first that may be executed. */
static bool find_file(const char *command, char path[PATH_MAX])
{
    if (strchr(command, '/'))
        return snprintf(path, PATH_MAX, "%s", command) < PATH_MAX;
    const char *search = getenv("PATH");
    for (const char *at = search ? search : "/bin:/usr/bin"; at; at = strchr(at, ':')) {
        at += *at == ':';
        int length = (int)strcspn(at, ":");
        if (snprintf(path, PATH_MAX, "%.*s/%s", length ? length : 1, length ? at : ".", command) <
                PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* The kernel then sets AT_SECURE (getauxval(3)), and the loader ignores LD_PRELOAD's paths. */
static bool changes_rights(const char *path, const struct stat *file)
{
    if (((file->st_mode & S_ISUID) && file->st_uid != geteuid()) ||
        ((file->st_mode & S_ISGID) && (file->st_mode & S_IXGRP) && file->st_gid != getegid()))
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* Go's linker leaves a note named "Go": its programs make system calls of their own. */
static bool has_go_note(int fd, const Elf64_Phdr *segment)
{
    char notes[NOTES];
    size_t size = segment->p_filesz < sizeof notes ? segment->p_filesz : sizeof notes;
    ssize_t got = pread(fd, notes, size, (off_t)segment->p_offset);
    for (size_t at = 0; got > 0 && at + sizeof(Elf64_Nhdr) <= (size_t)got;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > NOTES || note.n_descsz > NOTES)
            return false;
        size_t name = at + sizeof note;
        if (note.n_namesz == 4 && name + 4 <= (size_t)got && memcmp(notes + name, "Go\0", 4) == 0)
            return true;
        at = name + ((size_t)note.n_namesz + 3) / 4 * 4 + ((size_t)note.n_descsz + 3) / 4 * 4;
    }
    return false;
}

static const char *judge_interpreter(int fd, const Elf64_Phdr *segment)
{
    char path[PATH_MAX] = "";
    size_t size = segment->p_filesz < sizeof path ? segment->p_filesz : sizeof path - 1;
    if (pread(fd, path, size, (off_t)segment->p_offset) > 0 && strstr(path, "ld-musl"))
        return "runs on musl, which the library does not know";
    return NULL;
}

static const char *judge_elf(int fd, const Elf64_Ehdr *header)
{
    Elf64_Phdr segments[HEADERS];
    unsigned count = header->e_phnum < HEADERS ? header->e_phnum : HEADERS;
    bool interpreter = false;
    const char *why = NULL;
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != OUR_MACHINE)
        return "is built for another kind of processor";
    if (header->e_phentsize != sizeof *segments ||
        pread(fd, segments, count * sizeof *segments, (off_t)header->e_phoff) !=
            (ssize_t)(count * sizeof *segments))
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        if (segments[i].p_type == PT_NOTE && has_go_note(fd, &segments[i]))
            return "is a Go program, which makes system calls of its own";
        if (segments[i].p_type != PT_INTERP)
            continue;
        interpreter = true;
        why = judge_interpreter(fd, &segments[i]);
    }
    return interpreter ? why : "is statically linked";
}

/* "#!/usr/bin/env python3": the second word, if the first is env. */
static bool script_interpreter(int fd, char command[PATH_MAX])
{
    char line[PATH_MAX + 2] = "";
    ssize_t got = pread(fd, line, sizeof line - 1, 0);
    if (got < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[strcspn(line, "\n")] = '\0';
    char *rest;
    char *word = strtok_r(line + 2, " \t", &rest);
    const char *slash = word ? strrchr(word, '/') : NULL;
    char *second =
        word && slash && strcmp(slash, "/env") == 0 ? strtok_r(NULL, " \t", &rest) : NULL;
    if (second && second[0] != '-')
        word = second;
    return word && snprintf(command, PATH_MAX, "%s", word) < PATH_MAX;
}

const char *loadable_why_not(const char *command)
{
    char name[PATH_MAX];
    char path[PATH_MAX];
    if (snprintf(name, sizeof name, "%s", command) >= (int)sizeof name)
        return NULL;
    for (int depth = 0; depth < SCRIPT_DEPTH && find_file(name, path); depth++) {
        const char *why = NULL;
        struct stat file;
        Elf64_Ehdr header;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (stat(path, &file) == 0 && changes_rights(path, &file))
            why = "changes its user, group or capabilities";
        bool is_elf = fd >= 0 && pread(fd, &header, sizeof header, 0) == sizeof header &&
                      memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
        if (is_elf && !why)
            why = judge_elf(fd, &header);
        bool is_script = fd >= 0 && !is_elf && script_interpreter(fd, name);
        if (fd >= 0)
            close(fd);
        if (why || !is_script)
            return why;
    }
    return NULL;
}
