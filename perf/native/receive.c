/* The limit of a stream: one connection, received in pieces of 64 KiB, each written to a file at once.
 *
 *   receive FILE FIFO */
#include "report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { PIECE = 65536 };

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    static char buffer[PIECE];
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) fail(argv[1]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("listen");
    report(argv[2], "{\"event\": \"ready\", \"port\": %d}\n", ntohs(address.sin_port));
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) fail("accept");
    int64_t begin = now_ns(), cpu = cpu_ns();
    for (;;) {
        ssize_t count = recv(connection, buffer, PIECE, 0);
        if (count < 0) fail("recv");
        if (count == 0) break;
        write_all(fd, buffer, (size_t)count);
    }
    int64_t end = now_ns();
    report(argv[2], "{\"event\": \"done\", \"begin\": %lld, \"end\": %lld, \"cpu\": %lld}\n", (long long)begin,
           (long long)end, (long long)cpu);
    wait_for_end();
}
