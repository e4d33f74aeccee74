/* The load of the stream cases, and the limit of what sends over TCP: the bytes of a block over one connection, as fast as
 * the other side takes them.
 *
 *   send BLOCK TOTAL PORT FIFO */
#include "report.h"

enum { PIECE = 262144 };

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    struct cycle cycle = read_cycle(argv[1], PIECE);
    size_t total = strtoull(argv[2], NULL, 10);
    int connection = connect_to(atoi(argv[3]));
    int64_t begin = now_ns(), cpu = cpu_ns();
    for (size_t done = 0, place = 0; done < total;) {
        size_t length = total - done < PIECE ? total - done : PIECE;
        write_all(connection, cycle.data + place, length);
        done += length;
        place = (place + length) % cycle.length;
    }
    shutdown(connection, SHUT_WR);
    int64_t end = now_ns();
    report(argv[4], "{\"event\": \"sent\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
