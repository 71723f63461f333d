// SPDX-License-Identifier: MIT
/*
 * What a process's control group says of it: the unit of systemd and the container that it is of.
 * Names, as systemd, Docker, containerd, CRI-O, Podman and LXC make them.
 */
#ifndef PIPESHIM_CLI_STATUS_CGROUP_H
#define PIPESHIM_CLI_STATUS_CGROUP_H

enum {
    CGROUP_UNIT_LIMIT = 64,
    CGROUP_CONTAINER_LIMIT = 32, /* the first twelve characters of an id, as its tools show it */
};

struct cgroup_names {
    char unit[CGROUP_UNIT_LIMIT];           /* "nginx.service"; "": none, or a container's */
    char container[CGROUP_CONTAINER_LIMIT]; /* "3f1c92ab77e0", or a name; "": none */
};

/* `text`: of /proc/PID/cgroup, untrusted. Scopes that are numbered (session-12.scope,
 * run-u40.scope) lose their numbers: each login would be a series of its own. Pure. */
void cgroup_parse(const char *text, struct cgroup_names *names);

/* Runs on: the tool. AS-safe: yes. Blocks: no. */
#endif
