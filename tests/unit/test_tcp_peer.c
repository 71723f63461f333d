// SPDX-License-Identifier: MIT
/* The other end of a TCP connection: of both families, before it is accepted, after it is closed;
 * and that a server with many connections reads no table of all sockets for them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "graph/finding.h"
#include "kernel/object_reader.h"
#include "kernel/tcp_peer.h"
#include "left_out.h"

enum { FINDINGS = 4 };

/* A kernel may have no inet_diag: asked for all TCP sockets, it then has an error. */
static bool kernel_tells(void)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = AF_INET,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX},
    };
    struct nlmsghdr answer = {.nlmsg_type = NLMSG_ERROR};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool asked = fd >= 0 && send(fd, &question, sizeof question, 0) == (ssize_t)sizeof question &&
                 recv(fd, &answer, sizeof answer, MSG_TRUNC) > 0;
    if (fd >= 0)
        close(fd);
    return asked && answer.nlmsg_type != NLMSG_ERROR;
}

#define NEEDS_INET_DIAG()                                                                          \
    do {                                                                                           \
        if (!kernel_tells())                                                                       \
            LEAVE_OUT("the kernel has no inet_diag");                                              \
    } while (0)

static uint64_t inode_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

/* -errno, or what was found: the descriptor's inode is known. */
static long peer_of(int fd, uint64_t *peer)
{
    return tcp_peer_find(getpid(), fd, inode_of(fd), peer);
}

static void assert_peer(int fd, int other)
{
    uint64_t peer;
    assert_int_equal(peer_of(fd, &peer), 0);
    assert_int_equal(peer, other < 0 ? 0 : inode_of(other));
}

struct connection {
    int listener, client, served;
};

/* False: this machine has no such family. */
static bool begin(int listens, int connects, struct connection *connection)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 name = {.sin6_port = 0};
    socklen_t size = sizeof name;
    connection->listener = socket(listens, SOCK_STREAM, 0);
    if (connection->listener < 0)
        return false;
    if (listens == AF_INET6 && connects == AF_INET)
        six.sin6_addr = in6addr_any;
    int bound = listens == AF_INET6
                    ? bind(connection->listener, (struct sockaddr *)&six, sizeof six)
                    : bind(connection->listener, (struct sockaddr *)&four, sizeof four);
    if (bound < 0 || listen(connection->listener, 64) < 0) {
        close(connection->listener);
        return false;
    }
    assert_int_equal(getsockname(connection->listener, (struct sockaddr *)&name, &size), 0);
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = four.sin_port = name.sin6_port; /* both families have it at the same place */
    connection->client = socket(connects, SOCK_STREAM, 0);
    assert_int_equal(connects == AF_INET6
                         ? connect(connection->client, (struct sockaddr *)&six, sizeof six)
                         : connect(connection->client, (struct sockaddr *)&four, sizeof four),
                     0);
    connection->served = -1;
    return true;
}

static void answer(struct connection *connection)
{
    connection->served = accept(connection->listener, NULL, NULL);
    assert_true(connection->served >= 0);
}

static void end(struct connection *connection)
{
    close(connection->listener);
    close(connection->client);
    if (connection->served >= 0)
        close(connection->served);
}

static void both_ends_know_each_other(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    static const int families[][2] = {
        {AF_INET, AF_INET}, {AF_INET6, AF_INET6}, {AF_INET6, AF_INET}};
    unsigned tried = 0;
    for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
        struct connection connection = {-1, -1, -1};
        if (!begin(families[i][0], families[i][1], &connection))
            continue;
        tried++;
        answer(&connection);
        assert_peer(connection.client, connection.served);
        assert_peer(connection.served, connection.client);
        end(&connection);
    }
    assert_true(tried > 0);
}

/* Its other end belongs to no process yet: who would accept it does. */
static void what_is_not_accepted_is_the_listeners(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    struct connection connection = {-1, -1, -1};
    assert_true(begin(AF_INET, AF_INET, &connection));
    assert_peer(connection.client, connection.listener);
    end(&connection);
}

static void what_is_closed_has_no_other_end(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    struct connection connection = {-1, -1, -1};
    assert_true(begin(AF_INET, AF_INET, &connection));
    answer(&connection);
    close(connection.listener);
    close(connection.served);
    assert_peer(connection.client, -1);
    close(connection.client);
}

static void what_is_no_connection_cannot_be_told(void **state)
{
    (void)state;
    uint64_t peer;
    int pair[2], null = open("/dev/null", O_RDONLY);
    int lonely = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(peer_of(lonely, &peer), -ENOTCONN);
    assert_int_equal(peer_of(datagrams, &peer), -EPROTONOSUPPORT);
    assert_int_equal(peer_of(pair[0], &peer), -EPROTONOSUPPORT);
    assert_int_equal(peer_of(null, &peer), -ENOTSOCK);
    close(lonely);
    close(datagrams);
    close(pair[0]);
    close(pair[1]);
    close(null);
}

static bool loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    return up;
}

/* A connection with the ends of another one; false: this namespace has it already. */
static bool imitate(const struct connection *other, struct connection *connection)
{
    struct sockaddr_in server, client;
    socklen_t size = sizeof server;
    getsockname(other->listener, (struct sockaddr *)&server, &size);
    getsockname(other->client, (struct sockaddr *)&client, &size);
    connection->listener = socket(AF_INET, SOCK_STREAM, 0);
    connection->client = socket(AF_INET, SOCK_STREAM, 0);
    return bind(connection->listener, (struct sockaddr *)&server, size) == 0 &&
           listen(connection->listener, 1) == 0 &&
           bind(connection->client, (struct sockaddr *)&client, size) == 0 &&
           connect(connection->client, (struct sockaddr *)&server, size) == 0 &&
           (connection->served = accept(connection->listener, NULL, NULL)) >= 0;
}

/* Where the same addresses and ports are somebody else's. */
static int in_another_namespace(const struct connection *connection)
{
    struct connection here = {-1, -1, -1};
    uint64_t peer;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 77;
    if (!loopback_up() || !imitate(connection, &here))
        return 2;
    if (peer_of(connection->client, &peer) != -ENOENT || peer != 0)
        return 3;
    return peer_of(here.client, &peer) == 0 && peer == inode_of(here.served) ? 0 : 4;
}

static void another_network_namespace_cannot_be_told(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    struct connection connection = {-1, -1, -1};
    assert_true(begin(AF_INET, AF_INET, &connection));
    answer(&connection);
    int child = fork(), status;
    if (child == 0)
        _exit(in_another_namespace(&connection));
    assert_int_equal(waitpid(child, &status, 0), child);
    end(&connection);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        LEAVE_OUT("no user namespaces");
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_refused_call_makes_no_other_end(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    static const int errors[] = {ENFILE, ENOMEM, EPERM};
    struct connection connection = {-1, -1, -1};
    uint64_t peer;
    assert_true(begin(AF_INET, AF_INET, &connection));
    answer(&connection);
    uint64_t client = inode_of(connection.client), served = inode_of(connection.served);
    unsigned before = open_descriptors();
    for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++) {
        bool refused = true;
        for (unsigned nth = 1; refused; nth++) {
            calls_fail(ANY_CALL, nth, errors[e]);
            long error = tcp_peer_find(getpid(), connection.client, client, &peer);
            refused = calls_failed();
            calls_restore();
            assert_int_equal(peer, error == 0 ? served : 0);
            assert_true(refused || error == 0);
            assert_int_equal(open_descriptors(), before);
        }
    }
    end(&connection);
}

static unsigned tables;

static long count_tables(long number, long a, long b, long c, long d, long e, long f)
{
    tables += strstr((const char *)b, "/net/tcp") != NULL;
    return raw_syscall6(number, a, b, c, d, e, f);
}

/* A look at a process with many connections to another one here. */
static void look(unsigned access)
{
    static _Alignas(uint64_t) char memory[WAIT_GRAPH_MEMORY];
    static struct wait_graph graph;
    static struct wait_finding findings[FINDINGS];
    wait_graph_init(&graph, memory, sizeof memory, access);
    tables = 0;
    calls_replace(SYS_openat, count_tables);
    wait_graph_is_at_peace(&graph, getpid());
    unsigned most = tables;
    for (unsigned i = 0; i < 2; i++) {
        tables = 0;
        if (i == 0)
            wait_graph_may_be_stuck(&graph, getpid());
        else
            wait_graph_examine(&graph, getpid(), findings, FINDINGS);
        most = tables > most ? tables : most;
    }
    calls_restore();
    tables = most;
}

static void many_connections_cost_no_table_each(void **state)
{
    (void)state;
    NEEDS_INET_DIAG();
    enum { MANY = 50, FILES_A_TABLE = 6 /* tcp and tcp6: own line, other end, listener */ };
    struct connection first = {-1, -1, -1};
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int clients[MANY], served[MANY];
    assert_true(begin(AF_INET, AF_INET, &first));
    answer(&first);
    assert_int_equal(getsockname(first.listener, (struct sockaddr *)&name, &size), 0);
    for (unsigned i = 0; i < MANY; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], (struct sockaddr *)&name, sizeof name), 0);
        served[i] = accept(first.listener, NULL, NULL);
        assert_int_equal(write(clients[i], "x", 1), 1); /* so that it matters who sent it */
    }
    look(ACCESS_ALL);
    assert_int_equal(tables, 0);
    look(ACCESS_MEMORY); /* as under the filter of a container engine */
    assert_in_range(tables, 1, 8 * FILES_A_TABLE * 2);
    for (unsigned i = 0; i < MANY; i++) {
        close(clients[i]);
        close(served[i]);
    }
    end(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_know_each_other),
        cmocka_unit_test(what_is_not_accepted_is_the_listeners),
        cmocka_unit_test(what_is_closed_has_no_other_end),
        cmocka_unit_test(what_is_no_connection_cannot_be_told),
        cmocka_unit_test(another_network_namespace_cannot_be_told),
        cmocka_unit_test(a_refused_call_makes_no_other_end),
        cmocka_unit_test(many_connections_cost_no_table_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
