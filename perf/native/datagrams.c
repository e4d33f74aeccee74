/* The load of the datagram cases: each line of a block is a datagram, without its newline, at an even rate.
 *
 *   datagrams BLOCK COUNT RATE PORT FIFO
 *
 * It spins between two sends, and sends what is due by then, at most BURST at once: more would fill the receiver's buffer by
 * themselves. */
#define _GNU_SOURCE
#include "report.h"

enum { BURST = 32, MOST = 4096 };

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    struct cycle cycle = read_cycle(argv[1], 0);
    size_t count = strtoull(argv[2], NULL, 10), lines = 0;
    double rate = strtod(argv[3], NULL);
    static struct iovec texts[MOST];
    for (char *line = cycle.data, *end = cycle.data + cycle.length; line < end && lines < MOST; lines++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        texts[lines] = (struct iovec){line, (size_t)(newline - line)};
        line = newline + 1;
        if (lines > 0 && texts[lines].iov_len == texts[0].iov_len
            && memcmp(line - texts[0].iov_len - 1, texts[0].iov_base, texts[0].iov_len) == 0)
            break;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(atoi(argv[4]));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    static struct mmsghdr messages[BURST];
    int64_t begin = now_ns();
    for (size_t done = 0; done < count;) {
        size_t due = (size_t)((double)(now_ns() - begin) * rate / 1e9) + 1;
        size_t now = due > count ? count - done : due > done ? due - done : 0;
        if (now > BURST) now = BURST;
        if (now == 0) continue;
        for (size_t at = 0; at < now; at++)
            messages[at].msg_hdr = (struct msghdr){.msg_iov = &texts[(done + at) % lines], .msg_iovlen = 1};
        int sent = sendmmsg(fd, messages, (unsigned)now, 0);
        if (sent < 0) fail("sendmmsg");
        done += (size_t)sent;
    }
    int64_t end = now_ns();
    report(argv[5], "{\"event\": \"sent\", \"begin\": %lld, \"end\": %lld}\n", (long long)begin, (long long)end);
    wait_for_end();
}
