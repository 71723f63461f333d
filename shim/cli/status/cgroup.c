// SPDX-License-Identifier: MIT
#include "cli/status/cgroup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { ID_DIGITS = 64, SHOWN_DIGITS = 12 };

struct part {
    const char *text;
    size_t length;
};

static bool starts(const struct part *part, const char *with)
{
    return part->length >= strlen(with) && memcmp(part->text, with, strlen(with)) == 0;
}

static bool ends(const struct part *part, const char *with)
{
    size_t length = strlen(with);
    return part->length > length && memcmp(part->text + part->length - length, with, length) == 0;
}

static void copy(char *to, size_t capacity, const char *from, size_t length)
{
    snprintf(to, capacity, "%.*s", (int)(length < capacity ? length : capacity - 1), from);
}

static bool is_hexadecimal(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* conmon, of which each container has one on the host. */
static bool is_supervisor(const struct part *part)
{
    return starts(part, "crio-conmon-") || starts(part, "libpod-conmon-");
}

/* An id: 64 hexadecimal digits, alone ("/docker/ID", "/kubepods/.../podUID/ID") or after the name
 * of who runs it ("docker-ID.scope", "cri-containerd-ID.scope", "crio-ID.scope",
 * "libpod-ID.scope"). */
static const char *find_id(const struct part *part)
{
    size_t digits = 0;
    if (is_supervisor(part))
        return NULL;
    for (size_t i = 0; i < part->length; i++) {
        digits = is_hexadecimal(part->text[i]) ? digits + 1 : 0;
        bool last = i + 1 == part->length || !is_hexadecimal(part->text[i + 1]);
        if (digits == ID_DIGITS && last)
            return part->text + i + 1 - ID_DIGITS;
    }
    return NULL;
}

/* LXC and systemd-nspawn have names. */
static bool find_name(const struct part *part, const struct part *before, struct part *name)
{
    *name = *part;
    if (starts(part, "lxc.payload.")) {
        name->text += sizeof "lxc.payload." - 1;
        name->length -= sizeof "lxc.payload." - 1;
        return true;
    }
    if (starts(part, "machine-") && ends(part, ".scope")) {
        name->text += sizeof "machine-" - 1;
        name->length -= sizeof "machine-" - 1 + sizeof ".scope" - 1;
        return true;
    }
    return before->length == 3 && memcmp(before->text, "lxc", 3) == 0;
}

static bool is_unit(const struct part *part)
{
    return ends(part, ".service") || ends(part, ".scope") || ends(part, ".socket") ||
           ends(part, ".mount") || ends(part, ".swap");
}

static void take_unit(const struct part *part, char unit[CGROUP_UNIT_LIMIT])
{
    size_t length = part->length;
    if (starts(part, "session-") && ends(part, ".scope"))
        snprintf(unit, CGROUP_UNIT_LIMIT, "session.scope");
    else if (starts(part, "run-"))
        snprintf(unit, CGROUP_UNIT_LIMIT, "run%s", ends(part, ".scope") ? ".scope" : ".service");
    else if (is_supervisor(part))
        snprintf(unit, CGROUP_UNIT_LIMIT, "conmon.scope");
    else
        copy(unit, CGROUP_UNIT_LIMIT, part->text, length);
}

static void parse_path(const char *path, size_t length, struct cgroup_names *names)
{
    struct part before = {"", 0};
    for (size_t at = 0; at < length;) {
        struct part part = {path + at, 0}, name;
        while (at + part.length < length && path[at + part.length] != '/')
            part.length++;
        const char *id = find_id(&part);
        if (id) {
            copy(names->container, sizeof names->container, id, SHOWN_DIGITS);
            names->unit[0] = '\0'; /* of what is inside, from here on */
        } else if (part.length > 0 && find_name(&part, &before, &name)) {
            copy(names->container, sizeof names->container, name.text, name.length);
            names->unit[0] = '\0';
        } else if (is_unit(&part)) {
            take_unit(&part, names->unit);
        }
        before = part;
        at += part.length + 1;
    }
}

void cgroup_parse(const char *text, struct cgroup_names *names)
{
    *names = (struct cgroup_names){0};
    /* "0::/PATH" is the unified hierarchy's; before it there were others, of which systemd's and
     * the memory controller's name the same. The first that says something counts. */
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        const char *first = memchr(line, ':', length);
        const char *second =
            first ? memchr(first + 1, ':', length - (size_t)(first + 1 - line)) : NULL;
        if (second && !names->container[0]) {
            struct cgroup_names found = {0};
            parse_path(second + 1, length - (size_t)(second + 1 - line), &found);
            if (found.container[0] || !names->unit[0])
                *names = found;
        }
        line += length + (line[length] == '\n');
    }
}
