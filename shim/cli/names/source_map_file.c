// SPDX-License-Identifier: MIT
/* Which map a generated file names, and where it is. */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/names/base64.h"
#include "cli/names/source_map.h"
#include "explain/user_frame.h"
#include "kernel/process_start.h"

enum {
    MAPS_KEPT = 8,
    FILE_LIMIT = 64 << 20,
    NOTE_LIMIT = 4096, /* where the file's last line names another file */
};

struct kept_map {
    char *key;              /* root and path */
    int64_t changed;        /* ns since the epoch */
    struct source_map *map; /* NULL: it has none */
};

/* A regular file, whole, with a NUL; NULL: it is none, or too large. */
static char *read_file(const char *path, size_t *size, int64_t *changed)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_LIMIT)
        text = malloc((size_t)status.st_size + 1);
    *size = 0;
    while (text && *size < (size_t)status.st_size) {
        ssize_t got = read(fd, text + *size, (size_t)status.st_size - *size);
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    close(fd);
    if (text) {
        text[*size] = '\0';
        *changed = file_time_ns(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    }
    return text;
}

/* The URL of the last "//# sourceMappingURL="; NULL: there is none. */
static const char *find_url(const char *text, size_t size, size_t *length)
{
    static const char mark[] = "sourceMappingURL=";
    const char *found = NULL;
    for (const char *at = text;
         (at = memmem(at, size - (size_t)(at - text), mark, sizeof mark - 1)) != NULL;
         at += sizeof mark - 1) {
        if (at - text >= 4 && (strncmp(at - 4, "//# ", 4) == 0 || strncmp(at - 4, "//@ ", 4) == 0))
            found = at + sizeof mark - 1;
    }
    *length = found ? strcspn(found, " \t\r\n'\"") : 0;
    return *length > 0 ? found : NULL;
}

static size_t decode_base64(const char *from, size_t length, char *to)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t size = 0;
    for (size_t i = 0; i < length; i++) {
        int value = base64_digit(from[i]);
        if (value < 0)
            break;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[size++] = (char)(bits >> have & 0xff);
        }
    }
    return size;
}

static size_t decode_percent(const char *from, size_t length, char *to)
{
    size_t size = 0;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%' && i + 2 < length && isxdigit((unsigned char)from[i + 1]) &&
            isxdigit((unsigned char)from[i + 2])) {
            const char digits[] = {from[i + 1], from[i + 2], '\0'};
            to[size++] = (char)strtoul(digits, NULL, 16);
            i += 2;
        } else {
            to[size++] = from[i];
        }
    }
    return size;
}

/* "data:application/json;base64,…" */
static struct source_map *map_of_data(const char *url, size_t length, const char *generated)
{
    const char *comma = memchr(url, ',', length);
    char *text = comma ? malloc(length + 1) : NULL;
    if (!text)
        return NULL;
    size_t head = (size_t)(comma - url), rest = length - head - 1;
    bool base64 = memmem(url, head, ";base64", 7) != NULL;
    size_t size = (base64 ? decode_base64 : decode_percent)(comma + 1, rest, text);
    struct source_map *map = source_map_parse(text, size, generated);
    free(text);
    return map;
}

/* A file beside the generated one. */
static struct source_map *map_of_file(const char *root, const char *url, size_t length,
                                      const char *generated, int64_t *changed)
{
    char name[PATH_MAX], path[2 * PATH_MAX];
    const char *slash = strrchr(generated, '/');
    size_t size;
    int64_t map_changed = 0;
    if (length >= NOTE_LIMIT || memmem(url, length, "://", 3) != NULL)
        return NULL; /* on a server: nothing is fetched */
    size_t folder = url[0] == '/' || !slash ? 0 : (size_t)(slash - generated) + 1;
    snprintf(name, sizeof name, "%.*s%.*s", (int)folder, generated, (int)length, url);
    snprintf(path, sizeof path, "%s%s", root, name);
    char *text = read_file(path, &size, &map_changed);
    struct source_map *map = text ? source_map_parse(text, size, name) : NULL;
    free(text);
    if (map_changed > *changed)
        *changed = map_changed;
    return map;
}

static void load(struct kept_map *kept, const char *root, const char *generated)
{
    char path[2 * PATH_MAX];
    size_t size, length;
    snprintf(path, sizeof path, "%s%s", root, generated);
    char *text = read_file(path, &size, &kept->changed);
    const char *url = text ? find_url(text, size, &length) : NULL;
    kept->map = NULL;
    if (url && strncmp(url, "data:", 5) == 0)
        kept->map = map_of_data(url, length, generated);
    else if (url)
        kept->map = map_of_file(root, url, length, generated, &kept->changed);
    free(text);
}

/* The map of that file, from what is kept, else read in place of the oldest. */
static const struct kept_map *map_of(const char *root, const char *generated)
{
    static struct kept_map kept[MAPS_KEPT];
    static unsigned next;
    char key[2 * PATH_MAX];
    snprintf(key, sizeof key, "%s\n%s", root, generated);
    for (unsigned i = 0; i < MAPS_KEPT; i++)
        if (kept[i].key && strcmp(kept[i].key, key) == 0)
            return &kept[i];
    struct kept_map *oldest = &kept[next++ % MAPS_KEPT];
    source_map_free(oldest->map);
    free(oldest->key);
    oldest->key = strdup(key);
    load(oldest, root, generated);
    return oldest;
}

bool source_place_find(const char *root, const char *generated, int64_t ran_ns, int line,
                       int column, struct source_place *place)
{
    char path[PATH_MAX];
    if (line <= 0 || column <= 0 || !javascript_file_path(generated, path, sizeof path))
        return false;
    const struct kept_map *kept = map_of(root, path);
    return kept->map && !changed_since_start(kept->changed, ran_ns) &&
           source_map_find(kept->map, line, column, place);
}
