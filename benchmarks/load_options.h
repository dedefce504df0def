// What all sub-commands share: their options, the time of the processor, the wait for several connections.
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "load_mqtt.h"

enum { TURN = 256, VARIANTS = 1024, TOPIC_BYTES = 256, READING_BYTES = 512, TIME_DIGITS = 19, STALLED_S = 30 };
static const int64_t NS_PER_S = 1000000000;

struct options {
    int port, connections, devices, window, bytes;
    long count, first, idle_ms, linger_ms;
    double rate;
    const char *root, *topic;
};

static double processor_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

// Edge-triggered: an event says that something has changed, and then both directions are worked until they would block.
static int watch(struct link *links, int count)
{
    int poll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &links[i]};
        link_unblock(&links[i]);
        if (epoll_ctl(poll, EPOLL_CTL_ADD, links[i].fd, &event) < 0)
            fail("cannot watch a connection: %s", strerror(errno));
    }
    return poll;
}

#endif
