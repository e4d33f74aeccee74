/* The limit of a file: the same bytes by write(2) in pieces of 64 KiB, and nothing else.
 *
 *   write BLOCK TOTAL FILE FIFO [ORDERS]
 *
 * BLOCK   a file whose bytes are repeated
 * TOTAL   how many bytes to write
 * ORDERS  a FIFO with the number of a processor a line: at each, TOTAL bytes are written there; without it once, anywhere */
#define _GNU_SOURCE
#include "report.h"

#include <sched.h>

enum { PIECE = 65536 };

static void write_total(int fd, struct cycle cycle, size_t total, const char *fifo)
{
    int64_t begin = now_ns(), cpu = cpu_ns();
    for (size_t done = 0, place = 0; done < total;) {
        size_t length = total - done < PIECE ? total - done : PIECE;
        write_all(fd, cycle.data + place, length);
        done += length;
        place = (place + length) % cycle.length;
    }
    int64_t end = now_ns();
    report(fifo, "{\"event\": \"done\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) return 2;
    struct cycle cycle = read_cycle(argv[1], PIECE);
    size_t total = strtoull(argv[2], NULL, 10);
    int fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) fail(argv[3]);
    if (argc == 5) {
        write_total(fd, cycle, total, argv[4]);
        wait_for_end();
    }
    FILE *orders = fopen(argv[5], "r");
    if (orders == NULL) fail(argv[5]);
    report(argv[4], "{\"event\": \"prepared\"}\n");
    int processor;
    while (fscanf(orders, "%d", &processor) == 1) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
        write_total(fd, cycle, total, argv[4]);
    }
    wait_for_end();
}
