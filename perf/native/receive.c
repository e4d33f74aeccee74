/* The limit of a stream: connections received in pieces of 64 KiB, each piece written to a file at once.
 *
 *   receive FILE FIFO CONNECTIONS
 *
 * Of one connection a piece is written as it came. Of several only whole lines are, so that none is torn by another
 * connection's; what is behind the last newline waits for the next piece of its own. */
#define _GNU_SOURCE
#include "report.h"

#include <poll.h>

enum { PIECE = 65536, MOST = 64 };

/* What a connection has sent and nobody has written. */
struct rest {
    char data[PIECE];
    size_t length;
};

static void receive_one(int connection, int fd)
{
    static char buffer[PIECE];
    for (;;) {
        ssize_t count = recv(connection, buffer, PIECE, 0);
        if (count < 0) fail("recv");
        if (count == 0) return;
        write_all(fd, buffer, (size_t)count);
    }
}

/* False at the end of the connection. */
static int receive_lines(int connection, struct rest *rest, int fd)
{
    ssize_t count = recv(connection, rest->data + rest->length, PIECE - rest->length, 0);
    if (count < 0) fail("recv");
    if (count == 0) return 0;
    rest->length += (size_t)count;
    char *newline = memrchr(rest->data, '\n', rest->length);
    if (newline == NULL) return 1;
    size_t whole = (size_t)(newline + 1 - rest->data);
    write_all(fd, rest->data, whole);
    rest->length -= whole;
    memmove(rest->data, rest->data + whole, rest->length);
    return 1;
}

static void receive_several(struct pollfd *polled, nfds_t several, int fd)
{
    static struct rest rests[MOST];
    for (nfds_t open = several; open > 0;) {
        if (poll(polled, several, -1) < 0) fail("poll");
        for (nfds_t at = 0; at < several; at++) {
            if (polled[at].fd < 0 || polled[at].revents == 0) continue;
            if (receive_lines(polled[at].fd, &rests[at], fd)) continue;
            polled[at].fd = -1;
            open--;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    int several = atoi(argv[3]);
    if (several < 1 || several > MOST) return 2;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) fail(argv[1]);
    int port, listener = listen_somewhere(&port);
    report(argv[2], "{\"event\": \"ready\", \"port\": %d}\n", port);
    struct pollfd polled[MOST];
    int64_t begin = 0, cpu = cpu_ns();
    for (int at = 0; at < several; at++) {
        polled[at] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
        if (polled[at].fd < 0) fail("accept");
        if (at == 0) begin = now_ns();
    }
    if (several == 1)
        receive_one(polled[0].fd, fd);
    else
        receive_several(polled, (nfds_t)several, fd);
    int64_t end = now_ns();
    report(argv[2], "{\"event\": \"done\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
