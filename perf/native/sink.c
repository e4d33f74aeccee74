/* The far end of what is sent over TCP: one connection, whose bytes are compared with the block, repeated.
 *
 *   sink BLOCK TOTAL FIFO
 *
 * It reports `received` behind TOTAL bytes, and `closed` at the end of the connection, with the number of bytes. A byte that
 * is another one ends it with an error. */
#include "report.h"

enum { PIECE = 262144 };

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    struct cycle cycle = read_cycle(argv[1], PIECE);
    static char buffer[PIECE];
    size_t total = strtoull(argv[2], NULL, 10), done = 0, place = 0;
    int port, listener = listen_somewhere(&port);
    report(argv[3], "{\"event\": \"ready\", \"port\": %d}\n", port);
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) fail("accept");
    for (;;) {
        ssize_t count = recv(connection, buffer, PIECE, 0);
        if (count < 0) fail("recv");
        if (count == 0) break;
        compare(&cycle, &place, buffer, (size_t)count, done);
        size_t before = done;
        done += (size_t)count;
        if (before < total && done >= total) report(argv[3], "{\"event\": \"received\", \"end\": %lld}\n", (long long)now_ns());
    }
    report(argv[3], "{\"event\": \"closed\", \"bytes\": %zu}\n", done);
    wait_for_end();
}
