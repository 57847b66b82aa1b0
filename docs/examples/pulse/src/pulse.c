/* pulse: counts requests over HTTP on port 8080; `pulse ask` asks one that runs, and ends with 0 when it is well. */

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PORT = 8080, SECONDS = 5 };

static void end(int number) {
    _exit(number == SIGTERM || number == SIGINT ? 0 : 1);
}

static struct sockaddr_in address(in_addr_t host) {
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = host};
    return made;
}

/* A peer that says nothing must not keep us waiting. */
static void limit(int peer) {
    struct timeval time = {.tv_sec = SECONDS};
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void answer(int peer, unsigned long count) {
    char text[128], body[32], request[1024];
    limit(peer);
    if (read(peer, request, sizeof request) <= 0)
        return;
    int length = snprintf(body, sizeof body, "%lu\n", count);
    const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s";
    length = snprintf(text, sizeof text, head, length, body);
    if (write(peer, text, (size_t)length) == length)
        shutdown(peer, SHUT_WR);
}

static int serve(void) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = address(htonl(INADDR_ANY));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 64) != 0) {
        perror("pulse");
        return 1;
    }
    puts("pulse listens on port 8080");
    fflush(stdout);
    for (unsigned long count = 1;; count++) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0)
            continue;
        answer(peer, count);
        close(peer);
    }
}

static int ask(void) {
    const char *question = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const char *wanted = "HTTP/1.1 200 ";
    char text[256] = "";
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in there = address(htonl(INADDR_LOOPBACK));
    limit(peer);
    if (connect(peer, (struct sockaddr *)&there, sizeof there) != 0)
        return 1;
    if (write(peer, question, strlen(question)) < 0 || read(peer, text, sizeof text - 1) < 0)
        return 1;
    return strncmp(text, wanted, strlen(wanted)) == 0 ? 0 : 1;
}

int main(int count, char **words) {
    /* The first process of a container has no default answer to these. */
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    if (count == 1)
        return serve();
    if (count == 2 && strcmp(words[1], "ask") == 0)
        return ask();
    fputs("usage: pulse [ask]\n", stderr);
    return 2;
}
