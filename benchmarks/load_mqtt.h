// The part of MQTT 3.1.1 that the load generator speaks: clean sessions over loopback, QoS 1, nothing retained.
//
// A link never blocks once it is subscribed: `take_in` and `send_out` move what the kernel takes now. Both buffers are
// bounded; who appends asks `has_room` first, and leaves the rest with the broker while there is none.
#ifndef LOAD_MQTT_H
#define LOAD_MQTT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT = 1, CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, DISCONNECT = 14 };
enum { BUFFER_BYTES = 1 << 18, ACK_BYTES = 4, HEADER_BYTES = 5 };

struct link {
    int fd;
    unsigned char *in, *out;
    size_t in_start, in_end, out_start, out_end;
    uint16_t packet_id;
    long in_flight;
};

struct packet {
    int type;
    unsigned char flags;
    const unsigned char *body;
    size_t length;
};

struct publication {
    const char *topic, *payload;
    size_t topic_length, payload_length;
    uint16_t packet_id; // 0 at QoS 0
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void *memory(size_t count, size_t size)
{
    void *found = calloc(count, size);
    if (!found)
        fail("no memory for %zu times %zu bytes", count, size);
    return found;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Room for so many bytes, made by moving what is still to be sent to the front.
static bool has_room(struct link *link, size_t bytes)
{
    if (link->out_start == link->out_end)
        link->out_start = link->out_end = 0;
    if (BUFFER_BYTES - link->out_end < bytes && link->out_start > 0) {
        memmove(link->out, link->out + link->out_start, link->out_end - link->out_start);
        link->out_end -= link->out_start;
        link->out_start = 0;
    }
    return BUFFER_BYTES - link->out_end >= bytes;
}

static void put(struct link *link, const void *bytes, size_t length)
{
    memcpy(link->out + link->out_end, bytes, length);
    link->out_end += length;
}

static void put_byte(struct link *link, unsigned value)
{
    link->out[link->out_end++] = (unsigned char)value;
}

static void put_short(struct link *link, unsigned value)
{
    put_byte(link, value >> 8 & 255);
    put_byte(link, value & 255);
}

static void put_header(struct link *link, int type, unsigned flags, size_t length)
{
    put_byte(link, (unsigned)type << 4 | flags);
    do
        put_byte(link, (unsigned)(length & 127) | (length > 127 ? 128 : 0));
    while (length >>= 7);
}

static size_t publish_bytes(size_t topic_length, size_t payload_length)
{
    return HEADER_BYTES + 2 + topic_length + 2 + payload_length;
}

// QoS 1. The caller has asked for room.
static void put_publish(struct link *link, const char *topic, size_t topic_length, const char *payload, size_t length)
{
    if (++link->packet_id == 0)
        link->packet_id = 1;
    put_header(link, PUBLISH, 2, 2 + topic_length + 2 + length);
    put_short(link, (unsigned)topic_length);
    put(link, topic, topic_length);
    put_short(link, link->packet_id);
    put(link, payload, length);
    link->in_flight++;
}

static void put_ack(struct link *link, uint16_t packet_id)
{
    put_header(link, PUBACK, 0, 2);
    put_short(link, packet_id);
}

// Send what the kernel takes now; whether all of it is gone.
static bool send_out(struct link *link)
{
    while (link->out_start < link->out_end) {
        ssize_t sent = send(link->fd, link->out + link->out_start, link->out_end - link->out_start, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (sent < 0)
            fail("cannot send to the broker: %s", strerror(errno));
        link->out_start += (size_t)sent;
    }
    return true;
}

// Take in what has come, as far as there is room; the number of bytes, 0 where nothing has come.
static size_t take_in(struct link *link)
{
    memmove(link->in, link->in + link->in_start, link->in_end - link->in_start);
    link->in_end -= link->in_start;
    link->in_start = 0;
    if (link->in_end == BUFFER_BYTES)
        return 0;
    ssize_t got = recv(link->fd, link->in + link->in_end, BUFFER_BYTES - link->in_end, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (got < 0)
        fail("cannot receive from the broker: %s", strerror(errno));
    if (got == 0)
        fail("the broker closed the connection");
    link->in_end += (size_t)got;
    return (size_t)got;
}

// The next whole packet of what was taken in; it stays valid until the next `take_in`.
static bool next_packet(struct link *link, struct packet *packet)
{
    const unsigned char *at = link->in + link->in_start;
    size_t have = link->in_end - link->in_start, length = 0, place = 1;
    for (unsigned shift = 0;; shift += 7, place++) {
        if (place > 4)
            fail("the broker sent a packet whose length is no MQTT");
        if (place >= have)
            return false;
        length |= (size_t)(at[place] & 127) << shift;
        if (at[place] < 128)
            break;
    }
    if (++place + length > BUFFER_BYTES)
        fail("a packet of %zu bytes is more than the %d that fit", length, BUFFER_BYTES);
    if (place + length > have)
        return false;
    *packet = (struct packet){at[0] >> 4, at[0] & 15, at + place, length};
    link->in_start += place + length;
    return true;
}

static struct publication publication_of(const struct packet *packet)
{
    const unsigned char *body = packet->body;
    bool acknowledged = packet->flags & 6;
    size_t topic = packet->length < 2 ? SIZE_MAX : (size_t)body[0] << 8 | body[1], before = 2 + topic;
    if (topic == SIZE_MAX || before + (acknowledged ? 2 : 0) > packet->length)
        fail("the broker sent a PUBLISH of %zu bytes that is cut off", packet->length);
    uint16_t id = acknowledged ? (uint16_t)(body[before] << 8 | body[before + 1]) : 0;
    before += acknowledged ? 2 : 0;
    const char *payload = (const char *)body + before;
    return (struct publication){(const char *)body + 2, payload, topic, packet->length - before, id};
}

// Only while the link still blocks, before anything else can come.
static struct packet await(struct link *link, int type)
{
    struct packet packet;
    while (!send_out(link)) {}
    while (!next_packet(link, &packet))
        take_in(link);
    if (packet.type != type)
        fail("the broker answered with packet type %d, not %d", packet.type, type);
    return packet;
}

static void link_open(struct link *link, int port, const char *client_id)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    *link = (struct link){.fd = socket(AF_INET, SOCK_STREAM, 0), .in = memory(1, BUFFER_BYTES)};
    link->out = memory(1, BUFFER_BYTES);
    if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot connect to 127.0.0.1:%d: %s", port, strerror(errno));
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // protocol name and level 4, a clean session, no keep alive: nothing here is idle
    put_header(link, CONNECT, 0, 12 + strlen(client_id));
    put(link, "\0\4MQTT\4\2\0\0", 10);
    put_short(link, (unsigned)strlen(client_id));
    put(link, client_id, strlen(client_id));
    struct packet answer = await(link, CONNACK);
    if (answer.length != 2 || answer.body[1])
        fail("the broker refused %s with code %d", client_id, answer.length == 2 ? answer.body[1] : -1);
}

static void link_subscribe(struct link *link, const char *filter)
{
    put_header(link, SUBSCRIBE, 2, 2 + 2 + strlen(filter) + 1);
    put_short(link, 1);
    put_short(link, (unsigned)strlen(filter));
    put(link, filter, strlen(filter));
    put_byte(link, 1);
    struct packet answer = await(link, SUBACK);
    if (answer.length != 3 || answer.body[2] != 1)
        fail("the broker does not deliver %s at QoS 1", filter);
}

static void link_unblock(struct link *link)
{
    fcntl(link->fd, F_SETFL, fcntl(link->fd, F_GETFL) | O_NONBLOCK);
}

static void link_close(struct link *link)
{
    if (has_room(link, 2)) {
        put_header(link, DISCONNECT, 0, 0);
        send_out(link);
    }
    close(link->fd);
    free(link->in);
    free(link->out);
}

#endif
