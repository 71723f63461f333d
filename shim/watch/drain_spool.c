// SPDX-License-Identifier: MIT
#include "watch/drain_spool.h"

#include <errno.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "config/settings.h"
#include "drain/episode.h"
#include "drain/stream.h"
#include "drain/take_back.h"
#include "process/executable.h"
#include "process/life.h"
#include "report/log.h"
#include "report/log_path.h"
#include "report/reporter.h"
#include "watch/drain_name.h"

enum { SUFFIX = 16, COMPLAINT = LOG_PATH_LIMIT + 512 };

static const char *pattern;            /* NULL: not wanted; child: constant */
static char directory[LOG_PATH_LIMIT]; /* before a relative pattern; child: constant */
static char path[LOG_PATH_LIMIT];      /* of the one file; child: scratch */
static char complaint[COMPLAINT];      /* child: scratch */
static struct drain_spool_facts facts; /* child: scratch */
static struct stream *first;           /* the stream that has the path as it is asked for */
static bool complained;

void drain_spool_prepare(void)
{
    const char *wanted = settings.text[SETTING_DRAIN_SPOOL];
    if (!wanted[0])
        return;
    pattern = wanted;
    if (*wanted != '/' &&
        (raw_syscall(SYS_getcwd, directory, sizeof directory) < 0 || directory[0] != '/'))
        directory[0] = '\0';
}

bool drain_spool_is_wanted(void)
{
    return pattern != NULL;
}

void drain_spool_begin_in_child(void)
{
    first = NULL;
    complained = false;
}

/* The first stream gets the path, another one the path and its fd: they must not mix. */
static bool name_file(struct stream *stream)
{
    if (!log_path_expand(pattern, directory, executable_name, log_host, atomic_load(&life->pid),
                         path))
        return false;
    if (!first)
        first = stream;
    if (stream == first)
        return true;
    struct text_buffer text;
    size_t length = strlen(path);
    if (length + SUFFIX > sizeof path)
        return false;
    text_init(&text, path + length, sizeof path - length);
    text_string(&text, ".fd");
    text_signed(&text, atomic_load(&stream->fd));
    return true;
}

static void complain(long error)
{
    struct text_buffer text;
    if (complained)
        return;
    complained = true;
    text_init(&text, complaint, sizeof complaint);
    text_string(&text, "PIPESHIM_DRAIN_SPOOL=");
    text_string(&text, path);
    text_string(&text, ": ");
    if (error == -ETIMEDOUT)
        text_string(&text, "the drainer's helper does not give the queue back");
    else
        log_path_explain(error, &text);
    text_string(&text, "; what is queued is handed over to a helper process instead");
    report_line(complaint);
}

static void spool(struct stream *stream)
{
    struct taken_back taken;
    long file = name_file(stream) ? log_path_open(path) : -ENAMETOOLONG;
    drain_name_with_peers(stream, &facts.object); /* while the helper has the pipe */
    long result = file < 0 ? file : take_back(stream, (int)file, &taken);
    if (file >= 0)
        raw_syscall(SYS_close, file);
    if (result < 0) {
        complain(result);
        episode_check(stream, atomic_load(&stream->fd)); /* should the helper be gone after all */
        return;
    }
    if (taken.bytes == 0)
        return;
    facts.fd = atomic_load(&stream->fd);
    facts.path = path;
    facts.offset = taken.offset;
    facts.bytes = taken.bytes;
    facts.writes = taken.writes;
    report_drain_spool(&facts);
}

void drain_spool_all(void)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; pattern && i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        enum exit_reader reader = atomic_load(&stream->reader);
        if (!stream_is_sent(stream) &&
            (reader == EXIT_READER_AWAY || reader == EXIT_READER_AWAITS_US))
            spool(stream);
    }
}
