/* The limit of requests: the block as the body of one request after the other, over one connection, each behind the answer to
 * the one before.
 *
 *   post BLOCK TOTAL PORT FIFO
 *
 * TOTAL is a multiple of the block. */
#define _GNU_SOURCE
#include "report.h"

#include <sys/uio.h>

static void request(int connection, const char *head, size_t size, const char *body, size_t length)
{
    struct iovec pieces[] = {{(char *)head, size}, {(char *)body, length}};
    ssize_t sent = writev(connection, pieces, 2);
    if (sent < (ssize_t)size) fail("writev");
    write_all(connection, body + (sent - (ssize_t)size), length - (size_t)(sent - (ssize_t)size));
    static char answer[4096];
    size_t kept = 0;
    while (memmem(answer, kept, "\r\n\r\n", 4) == NULL) {
        ssize_t count = recv(connection, answer + kept, sizeof answer - kept, 0);
        if (count <= 0) fail("recv");
        kept += (size_t)count;
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0) fail(answer);
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    struct stat info;
    if (stat(argv[1], &info) != 0) fail(argv[1]);
    size_t block = (size_t)info.st_size, total = strtoull(argv[2], NULL, 10);
    struct cycle cycle = read_cycle(argv[1], block);
    char head[256];
    int size = snprintf(head, sizeof head,
                        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        block);
    int connection = connect_to(atoi(argv[3]));
    int64_t begin = now_ns(), cpu = cpu_ns();
    for (size_t done = 0; done < total; done += block) request(connection, head, (size_t)size, cycle.data, block);
    int64_t end = now_ns();
    report(argv[4], "{\"event\": \"sent\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
