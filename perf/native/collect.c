/* The far end of requests of HTTP/1.1: their bodies, one behind the other, are compared with the block, repeated.
 *
 *   collect BLOCK TOTAL FIFO
 *
 * One connection after the other. Every request has a Content-Length and is answered with 200. It reports `received` behind
 * TOTAL bytes of bodies; a body that goes on behind them, or has another byte, ends it with an error. */
#define _GNU_SOURCE
#include "report.h"

#include <strings.h>

enum { PIECE = 262144 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/* What is known of all bodies. */
struct bodies {
    struct cycle cycle;
    size_t total, done, place;
    const char *fifo;
};

static void take(struct bodies *bodies, const char *data, size_t length)
{
    if (bodies->done + length > bodies->total) {
        fprintf(stderr, "more than %zu bytes of bodies\n", bodies->total);
        exit(1);
    }
    compare(&bodies->cycle, &bodies->place, data, length, bodies->done);
    bodies->done += length;
    if (length > 0 && bodies->done == bodies->total)
        report(bodies->fifo, "{\"event\": \"received\", \"end\": %lld}\n", (long long)now_ns());
}

/* The number behind `Content-Length:` in the head of a request, which ends with a NUL. */
static size_t content_length(const char *head)
{
    for (const char *line = head; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, "content-length:", 15) == 0) return strtoull(line + 15, NULL, 10);
    }
    fprintf(stderr, "no Content-Length in %s\n", head);
    exit(1);
}

static void serve(int connection, struct bodies *bodies)
{
    static char buffer[PIECE + 1];
    size_t kept = 0;
    for (;;) {
        char *end;
        while ((end = memmem(buffer, kept, "\r\n\r\n", 4)) == NULL) {
            if (kept == PIECE) exit(1);
            ssize_t count = recv(connection, buffer + kept, PIECE - kept, 0);
            if (count < 0) fail("recv");
            if (count == 0) return;
            kept += (size_t)count;
        }
        *end = 0;
        size_t length = content_length(buffer), head = (size_t)(end + 4 - buffer);
        size_t here = kept - head < length ? kept - head : length;
        take(bodies, buffer + head, here);
        kept -= head + here;
        memmove(buffer, buffer + head + here, kept);
        for (size_t rest = length - here; rest > 0;) {
            ssize_t count = recv(connection, buffer, rest < PIECE ? rest : PIECE, 0);
            if (count <= 0) fail("recv");
            take(bodies, buffer, (size_t)count);
            rest -= (size_t)count;
        }
        write_all(connection, ANSWER, sizeof ANSWER - 1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    struct bodies bodies = {.cycle = read_cycle(argv[1], PIECE), .total = strtoull(argv[2], NULL, 10), .fifo = argv[3]};
    int port, listener = listen_somewhere(&port);
    report(argv[3], "{\"event\": \"ready\", \"port\": %d}\n", port);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) fail("accept");
        serve(connection, &bodies);
        close(connection);
    }
}
