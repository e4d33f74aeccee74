/* Measures from the post of a message to its bytes in the file.
 *
 *   watch FILE COUNT FIFO
 *
 * Each line of FILE begins with the time at which it was posted (CLOCK_MONOTONIC, nanoseconds, decimal). The watcher
 * sleeps in read(2) on an inotify descriptor; the kernel wakes it when the writer's write(2) has changed the file. It reads
 * what is new, takes the time, and counts each complete line: taken before, the time would be too early for a line that came
 * in between. It reports the latencies, sorted, at the usual percentiles, after COUNT lines. Its own wake-up and reading are
 * part of what it measures. */
#include "report.h"

#include <sys/inotify.h>

static int order(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    static char text[1 << 20], events[65536];
    size_t count = strtoull(argv[2], NULL, 10), seen = 0, kept = 0;
    int64_t *latencies = malloc(count * sizeof *latencies);
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC), notify = inotify_init1(IN_CLOEXEC);
    if (latencies == NULL || fd < 0 || inotify_add_watch(notify, argv[1], IN_MODIFY) < 0) fail(argv[1]);
    report(argv[3], "{\"event\": \"watching\"}\n");
    while (seen < count) {
        if (read(notify, events, sizeof events) < 0) fail("inotify");
        for (;;) {
            ssize_t more = read(fd, text + kept, sizeof text - kept);
            int64_t now = now_ns();
            if (more < 0) fail("read");
            if (more == 0) break;
            char *line = text, *end = text + kept + more, *newline;
            while (seen < count && (newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
                latencies[seen++] = now - strtoll(line, NULL, 10);
                line = newline + 1;
            }
            kept = (size_t)(end - line);
            memmove(text, line, kept);
        }
    }
    qsort(latencies, count, sizeof *latencies, order);
#define AT(part) (long long)latencies[(size_t)((double)(count - 1) * (part))]
    report(argv[3],
           "{\"event\": \"latency\", \"count\": %zu, \"min\": %lld, \"p50\": %lld, \"p90\": %lld, \"p99\": %lld, "
           "\"p99.9\": %lld, \"max\": %lld}\n",
           count, AT(0), AT(0.5), AT(0.9), AT(0.99), AT(0.999), AT(1));
    wait_for_end();
}
