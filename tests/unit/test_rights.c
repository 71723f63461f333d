// SPDX-License-Identifier: MIT
/* Whose rights cover whose, and that the kernel's word of them is read right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "left_out.h"

#include "kernel/rights.h"

enum { EFFECTIVE = 2, SETGID = 1 << 6, SETUID = 1 << 7, SYS_ADMIN = 1 << 21 };

static const struct rights common = {
    .ids = 1, .groups = 2, .sets = {0, SYS_ADMIN, SYS_ADMIN, ~0ULL, 0}, .namespaces = 3};

static void the_same_covers(void **state)
{
    (void)state;
    assert_true(rights_cover(&common, &common));
}

static void one_capability_more_is_too_much(void **state)
{
    (void)state;
    for (int set = 0; set < RIGHTS_SETS; set++) {
        struct rights less = common;
        struct rights more = common;
        more.sets[set] |= 1;
        less.sets[set] &= ~1ULL;
        assert_false(rights_cover(&less, &more));
        assert_true(rights_cover(&more, &less));
    }
}

static void other_ids_are_covered_by_who_may_take_them(void **state)
{
    (void)state;
    struct rights lower = common;
    struct rights upper = common;
    lower.ids = 7;
    assert_false(rights_cover(&upper, &lower));
    lower = common;
    lower.groups = 7;
    assert_false(rights_cover(&upper, &lower));
    upper.sets[EFFECTIVE] |= SETUID;
    assert_false(rights_cover(&upper, &lower));
    upper.sets[EFFECTIVE] |= SETGID;
    assert_true(rights_cover(&upper, &lower));
}

static void a_restriction_more_does_not_cover(void **state)
{
    (void)state;
    struct rights upper = common;
    upper.no_new_privileges = 1;
    assert_false(rights_cover(&upper, &common));
    assert_true(rights_cover(&common, &upper));
    upper = common;
    upper.seccomp = 2;
    upper.filters = 1;
    assert_false(rights_cover(&upper, &common));
    assert_true(rights_cover(&common, &upper));
    upper = common;
    upper.namespaces = 4;
    assert_false(rights_cover(&upper, &common));
}

static int own_tid(void)
{
    return (int)syscall(SYS_gettid);
}

static void own_rights_are_read(void **state)
{
    struct rights own, named;
    (void)state;
    assert_true(rights_read(0, &own));
    assert_true(rights_read(own_tid(), &named));
    assert_true(rights_cover(&own, &named) && rights_cover(&named, &own));
    assert_int_equal(own.state, 'R');
    assert_true(own.ids && own.groups && own.namespaces);
    assert_false(rights_read(1 << 22, &named)); /* no such thread: above every pid_max */
}

/* True if the child's rights, read by itself before and after `change`, differ. */
static int changes(int (*change)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rights before, after;
        if (!rights_read(0, &before) || change() != 0 || !rights_read(0, &after))
            _exit(2);
        _exit(rights_cover(&after, &before) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status) == 0;
}

static int no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int nothing(void)
{
    return 0;
}

static int another_user(void)
{
    return setresuid(65534, 65534, 65534);
}

static int another_group(void)
{
    return setresgid(65534, 65534, 65534) == 0 ? another_user() : -1;
}

static void what_a_process_gives_up_is_seen(void **state)
{
    (void)state;
    assert_false(changes(nothing));
    assert_true(changes(no_new_privileges));
    if (geteuid() != 0)
        LEAVE_OUT("another user's rights: needs root");
    assert_true(changes(another_user));
    assert_true(changes(another_group));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_covers),
        cmocka_unit_test(one_capability_more_is_too_much),
        cmocka_unit_test(other_ids_are_covered_by_who_may_take_them),
        cmocka_unit_test(a_restriction_more_does_not_cover),
        cmocka_unit_test(own_rights_are_read),
        cmocka_unit_test(what_a_process_gives_up_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
