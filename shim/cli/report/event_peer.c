// SPDX-License-Identifier: MIT
#include "cli/report/event_peer.h"

#include <stdio.h>
#include <string.h>

#include "cli/report/event_fields.h"

enum { NONE = -1 };

static void name_process(char *text, size_t size, const json_t *process, bool generic,
                         const char *role)
{
    const char *name = field_string(process, "name");
    const char *state = field_string(process, "state");
    const char *waits_in = field_string(process, "waits_in");
    int32_t fd = field_small(process, "fd");
    if (*name == '\0')
        name = field_string(process, "comm");
    char pid_text[16] = "";
    char fd_text[24] = "";
    if (!generic)
        snprintf(pid_text, sizeof pid_text, "[%d]", field_small(process, "pid"));
    if (!generic && fd != NONE)
        snprintf(fd_text, sizeof fd_text, " fd %d", fd);
    snprintf(text, size, "%s %.64s%s%s%s%.8s%s%.80s", role, *name ? name : "?", pid_text, fd_text,
             *state ? ", state " : "", state, *waits_in ? ", in " : "", waits_in);
}

/* The peer to name: the one that waits in something explains more than one that runs. */
static const json_t *speaking_peer(const json_t *peers)
{
    for (size_t i = 0; i < json_array_size(peers); i++)
        if (*field_string(json_array_get(peers, i), "waits_in"))
            return json_array_get(peers, i);
    return json_array_get(peers, 0);
}

void peer_text(const json_t *event, bool generic, char *text, size_t size, int32_t *pid)
{
    text[0] = '\0';
    *pid = NONE;
    const json_t *child = json_object_get(event, "child");
    const json_t *pipe = json_object_get(event, "pipe");
    const json_t *socket = json_object_get(event, "socket");
    const json_t *peers = json_object_get(pipe, "peers");
    if (json_is_object(child)) {
        *pid = field_small(child, "pid");
        name_process(text, size, child, generic, "child");
    } else if (json_array_size(peers) > 0) {
        const json_t *peer = speaking_peer(peers);
        bool writer = strcmp(field_string(pipe, "role"), "writer") == 0;
        *pid = field_small(peer, "pid");
        name_process(text, size, peer, generic, writer ? "reader" : "writer");
    } else if (json_is_array(peers)) {
        bool writer = strcmp(field_string(pipe, "role"), "writer") == 0;
        snprintf(text, size, "no %s that can be seen", writer ? "reader" : "writer");
    } else if (json_is_object(socket)) {
        const char *remote = field_string(socket, "remote");
        const char *name = field_string(socket, "peer_name");
        *pid = field_small(socket, "peer_pid");
        if (*remote)
            snprintf(text, size, "peer %.128s%s%.64s", remote, *name ? ", which is " : "", name);
    }
}
