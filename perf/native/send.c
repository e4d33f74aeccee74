/* The load of the stream cases: the lines of a block over one TCP connection, as fast as the other side takes them.
 *
 *   send BLOCK TOTAL PORT FIFO
 *
 * Tries for ten seconds to connect, because a server may still be starting. */
#include "report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { PIECE = 262144 };

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    struct cycle cycle = read_cycle(argv[1], PIECE);
    size_t total = strtoull(argv[2], NULL, 10);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(argv[3]))};
    int connection, tries = 0;
    for (;;) {
        connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) break;
        if (++tries == 1000) fail("connect");
        close(connection);
        usleep(10000);
    }
    int64_t begin = now_ns();
    for (size_t done = 0, place = 0; done < total;) {
        size_t length = total - done < PIECE ? total - done : PIECE;
        write_all(connection, cycle.data + place, length);
        done += length;
        place = (place + length) % cycle.length;
    }
    shutdown(connection, SHUT_WR);
    int64_t end = now_ns();
    report(argv[4], "{\"event\": \"sent\", \"begin\": %lld, \"end\": %lld}\n", (long long)begin, (long long)end);
    wait_for_end();
}
