// SPDX-License-Identifier: MIT
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { OUR_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OUR_MACHINE = EM_AARCH64 };
#endif

/* In PATH unless it has a slash, as execvp(3). */
static bool look_up(const char *command, char *path)
{
    const char *folders = getenv("PATH");
    if (strchr(command, '/')) {
        snprintf(path, PATH_MAX, "%s", command);
        return true;
    }
    for (const char *at = folders ? folders : "/bin:/usr/bin"; *at;) {
        int length = (int)strcspn(at, ":");
        snprintf(path, PATH_MAX, "%.*s%s%s", length, at, length > 0 ? "/" : "", command);
        if (access(path, X_OK) == 0)
            return true;
        at += length;
        at += *at == ':';
    }
    return false;
}

/* Go's linker leaves a note named "Go". */
static bool has_go_note(int fd, const Elf64_Phdr *segment)
{
    enum { NOTES = 4096 };
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

static void read_segments(int fd, const Elf64_Ehdr *header, struct program *program)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)header->e_phoff + (off_t)i * header->e_phentsize;
        if (pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment)
            return;
        program->is_go |= segment.p_type == PT_NOTE && has_go_note(fd, &segment);
        if (segment.p_type != PT_INTERP || segment.p_filesz >= sizeof program->loader)
            continue;
        ssize_t size = pread(fd, program->loader, segment.p_filesz, (off_t)segment.p_offset);
        program->loader[size > 0 ? size : 0] = '\0';
    }
}

static void read_elf(int fd, struct program *program)
{
    Elf64_Ehdr header;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return;
    program->is_elf = true;
    program->is_ours = header.e_ident[EI_CLASS] == ELFCLASS64 &&
                       header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == OUR_MACHINE;
    if (program->is_ours)
        read_segments(fd, &header, program);
}

/* The kernel then sets AT_SECURE (getauxval(3)). */
static bool changes_rights(const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return false;
    if (((file.st_mode & S_ISUID) && file.st_uid != geteuid()) ||
        ((file.st_mode & S_ISGID) && (file.st_mode & S_IXGRP) && file.st_gid != getegid()))
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

const char *program_read(const char *path, struct program *program)
{
    *program = (struct program){0};
    snprintf(program->path, sizeof program->path, "%s", path);
    program->secure = changes_rights(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? "no such program" : "it cannot be read";
    read_elf(fd, program);
    close(fd);
    return NULL;
}

/* The program that a `#!` line names; of `#!/usr/bin/env NAME` it is NAME. False: no such line. */
static bool interpreter_of(const char *path, char *interpreter)
{
    char line[256], *rest;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (size < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[size] = '\0';
    line[strcspn(line, "\n")] = '\0';
    const char *first = strtok_r(line + 2, " \t", &rest);
    const char *argument = first ? strtok_r(NULL, " \t", &rest) : NULL;
    if (argument && strcmp(argument, "-S") == 0)
        argument = strtok_r(NULL, " \t", &rest);
    const char *slash = first ? strrchr(first, '/') : NULL;
    bool is_env = slash && strcmp(slash, "/env") == 0 && argument;
    return first && look_up(is_env ? argument : first, interpreter);
}

const char *program_find(const char *command, struct program *program)
{
    enum { SCRIPTS_OF_SCRIPTS = 5 }; /* as the kernel's own limit */
    char path[PATH_MAX], next[PATH_MAX], script[PATH_MAX] = "";
    *program = (struct program){0};
    if (!look_up(command, path) || access(path, F_OK) != 0)
        return "no such program";
    if (access(path, X_OK) != 0)
        return "it may not be executed";
    for (int depth = 0; depth < SCRIPTS_OF_SCRIPTS && interpreter_of(path, next); depth++) {
        if (!script[0])
            memcpy(script, path, sizeof script);
        memcpy(path, next, sizeof path);
    }
    const char *problem = program_read(path, program);
    memcpy(program->script, script, sizeof script);
    return problem;
}

bool program_has_glibc(const struct program *program)
{
    const char *slash = strrchr(program->loader, '/');
    return slash && strncmp(slash, "/ld-linux", 9) == 0;
}
