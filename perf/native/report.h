/* What all the programs of this directory share: clocks, the report pipe, sockets, blocks of lines, and waiting for the end.
 *
 * A program tells the harness what it did by lines of JSON into a FIFO, one write each. Times are CLOCK_MONOTONIC in
 * nanoseconds, so they can be compared with those of other processes. */
#ifndef PERF_REPORT_H
#define PERF_REPORT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static inline int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static inline int64_t cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static inline void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

__attribute__((format(printf, 2, 3))) static inline void report(const char *fifo, const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail(fifo);
    if (write(fd, line, (size_t)length) != length) fail(fifo);
    close(fd);
}

/* Until the harness has read this process's figures and ends it. */
static inline void wait_for_end(void)
{
    for (;;) pause();
}

static inline void write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, data, length);
        if (done < 0) {
            if (errno == EINTR) continue;
            fail("write");
        }
        data += done;
        length -= (size_t)done;
    }
}

/* A block of lines, repeated to at least a mebibyte, with its own beginning once more behind it: a piece of at most
 * `piece` bytes can be taken at any place of the endless repetition. */
struct cycle {
    char *data;
    size_t length;
};

static inline struct cycle read_cycle(const char *path, size_t piece)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) fail(path);
    size_t block = (size_t)info.st_size, times = ((1 << 20) + block - 1) / block;
    size_t whole = block * times + piece;
    char *data = malloc(whole + block);
    if (data == NULL) fail("malloc");
    for (size_t done = 0; done < block;) {
        ssize_t count = read(fd, data + done, block - done);
        if (count <= 0) fail(path);
        done += (size_t)count;
    }
    close(fd);
    for (size_t done = block; done < whole; done += block) memcpy(data + done, data, block);
    return (struct cycle){data, block * times};
}

/* Ends with an error when the next `length` bytes are not those of the cycle from `*place` on, which it moves. */
static inline void compare(const struct cycle *cycle, size_t *place, const char *data, size_t length, size_t before)
{
    while (length > 0) {
        size_t here = cycle->length - *place < length ? cycle->length - *place : length;
        if (memcmp(data, cycle->data + *place, here) != 0) {
            size_t at = 0;
            while (data[at] == cycle->data[*place + at]) at++;
            fprintf(stderr, "byte %zu is not what was sent\n", before + at);
            exit(1);
        }
        *place = (*place + here) % cycle->length;
        data += here, length -= here, before += here;
    }
}

static inline struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
}

/* A listener on a port that the system chooses. */
static inline int listen_somewhere(int *port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 64) != 0
        || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("listen");
    *port = ntohs(address.sin_port);
    return listener;
}

/* A connection; it is tried for ten seconds, because a server may still be starting. */
static inline int connect_to(int port)
{
    struct sockaddr_in address = loopback(port);
    for (int tries = 0;; tries++) {
        int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) return connection;
        if (tries == 1000) fail("connect");
        close(connection);
        usleep(10000);
    }
}

#endif
