// SPDX-License-Identifier: MIT
/* Units and containers, from the paths that systemd and container engines make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The tool's: it is in no archive. */
#include "cli/status/cgroup.c" /* NOLINT(bugprone-suspicious-include) */

#define ID    "3f1c92ab77e04c5d9f0e1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f"
#define SHORT "3f1c92ab77e0"

static void expect(const char *text, const char *unit, const char *container)
{
    struct cgroup_names names;
    cgroup_parse(text, &names);
    assert_string_equal(names.unit, unit);
    assert_string_equal(names.container, container);
}

static void test_units(void **state)
{
    (void)state;
    expect("0::/system.slice/nginx.service\n", "nginx.service", "");
    expect("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service", "");
    expect("0::/system.slice/nginx.service/worker\n", "nginx.service", "");
    expect("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service\n",
           "app.service", "");
    expect("0::/init.scope\n", "init.scope", "");
    /* Each login, each systemd-run would be another. */
    expect("0::/user.slice/user-0.slice/session-12.scope\n", "session.scope", "");
    expect("0::/system.slice/run-u40.service\n", "run.service", "");
    expect("0::/user.slice/run-r0a1b2c.scope\n", "run.scope", "");
    expect("12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/a.service\n0::/\n",
           "a.service", "");
}

static void test_containers(void **state)
{
    (void)state;
    expect("0::/system.slice/docker-" ID ".scope\n", "", SHORT);
    expect("0::/docker/" ID "\n", "", SHORT);
    expect("4:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n", "", SHORT);
    expect("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a_2b.slice/"
           "cri-containerd-" ID ".scope\n",
           "", SHORT);
    expect("0::/kubepods/besteffort/pod0f3a/" ID "\n", "", SHORT);
    expect("0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope\n", "", SHORT);
    expect("0::/machine.slice/libpod-" ID ".scope/container\n", "", SHORT);
    expect("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope\n", "",
           SHORT);
    expect("0::/default/" ID "\n", "", SHORT);
    expect("0::/lxc.payload.web1\n", "", "web1");
    expect("0::/lxc/web2\n", "", "web2");
    expect("0::/machine.slice/machine-build.scope/payload\n", "", "build");
    /* A unit inside a container. */
    expect("0::/machine.slice/libpod-" ID ".scope/container/system.slice/app.service\n",
           "app.service", SHORT);
    /* An engine itself is a service of the host, and so is a container's supervisor. */
    expect("0::/system.slice/docker.service\n", "docker.service", "");
    expect("0::/machine.slice/libpod-conmon-" ID ".scope\n", "conmon.scope", "");
}

static void test_neither(void **state)
{
    (void)state;
    expect("", "", "");
    expect("0::/\n", "", "");
    expect("0::/a/b/c\n", "", "");
    expect("nonsense", "", "");
    expect("::", "", "");
    expect("0::/" ID "f\n", "", ""); /* 65 digits are no id */
    expect("0::/../../x.service", "x.service", "");
    expect("0::/.service\n", "", "");
    char text[4096] = "0::/";
    memset(text + 4, 'x', sizeof text - 14);
    strcpy(text + sizeof text - 10, ".service");
    struct cgroup_names names;
    cgroup_parse(text, &names);
    assert_int_equal(strlen(names.unit), CGROUP_UNIT_LIMIT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
