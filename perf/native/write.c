/* The limit of a file: the same bytes by write(2) in pieces of 64 KiB, and nothing else.
 *
 *   write BLOCK TOTAL FILE FIFO
 *
 * BLOCK   a file whose bytes are repeated
 * TOTAL   how many bytes to write */
#include "report.h"

enum { PIECE = 65536 };

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    struct cycle cycle = read_cycle(argv[1], PIECE);
    size_t total = strtoull(argv[2], NULL, 10);
    int fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) fail(argv[3]);
    int64_t begin = now_ns(), cpu = cpu_ns();
    for (size_t done = 0, place = 0; done < total;) {
        size_t length = total - done < PIECE ? total - done : PIECE;
        write_all(fd, cycle.data + place, length);
        done += length;
        place = (place + length) % cycle.length;
    }
    int64_t end = now_ns();
    report(argv[4], "{\"event\": \"done\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
