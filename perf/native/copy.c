/* The limit of a file that is read: another file, read in pieces of 64 KiB, each written at once.
 *
 *   copy IN OUT FIFO */
#include "report.h"

enum { PIECE = 65536 };

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    static char buffer[PIECE];
    int out = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) fail(argv[2]);
    int64_t begin = now_ns(), cpu = cpu_ns();
    int in = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (in < 0) fail(argv[1]);
    for (;;) {
        ssize_t count = read(in, buffer, PIECE);
        if (count < 0) fail("read");
        if (count == 0) break;
        write_all(out, buffer, (size_t)count);
    }
    int64_t end = now_ns();
    report(argv[3], "{\"event\": \"done\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
