/* The load of the case of many connections: they are opened and stay idle; at an order each sends a line, one after the other.
 *
 *   connections COUNT FILLER PORT FIFO ORDERS
 *
 * A line is the time right before it is sent, as `watch` reads it, and the filler. ORDERS is a FIFO: a line in it is the
 * order. */
#include "report.h"

#include <sys/resource.h>

enum { PAUSE_US = 1000 };

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    size_t count = strtoull(argv[1], NULL, 10);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail("setrlimit");
    int *connections = malloc(count * sizeof *connections);
    if (connections == NULL) fail("malloc");
    for (size_t at = 0; at < count; at++) connections[at] = connect_to(atoi(argv[3]));
    report(argv[4], "{\"event\": \"connected\"}\n");
    FILE *orders = fopen(argv[5], "r");
    if (orders == NULL) fail(argv[5]);
    while (getc(orders) != '\n') {}
    char line[4096];
    int64_t begin = now_ns();
    for (size_t at = 0; at < count; at++) {
        int length = snprintf(line, sizeof line, "%019lld %s\n", (long long)now_ns(), argv[2]);
        write_all(connections[at], line, (size_t)length);
        usleep(PAUSE_US);
    }
    report(argv[4], "{\"event\": \"sent\", \"begin\": %lld, \"end\": %lld}\n", (long long)begin, (long long)now_ns());
    wait_for_end();
}
