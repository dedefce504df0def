// What takes readings or predictions from the broker: one counts them, one answers them.
#ifndef LOAD_RECEIVE_H
#define LOAD_RECEIVE_H

#include "load_options.h"

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

// Work on one subscribed link until neither direction moves. `take` is called with room for one answer of `room` bytes.
static void work(struct link *link, size_t room, void (*take)(struct link *, struct publication, void *), void *own)
{
    bool again = true;
    while (again) {
        struct packet packet;
        bool waits = false;
        while (!(waits = !has_room(link, room + ACK_BYTES)) && next_packet(link, &packet))
            if (packet.type == PUBLISH) {
                struct publication publication = publication_of(&packet);
                take(link, publication, own);
                if (publication.packet_id)
                    put_ack(link, publication.packet_id);
            }
        bool sent = send_out(link);
        again = waits ? sent : take_in(link) > 0;
    }
}

static int subscribed(struct link *link, const struct options *given, const char *name, const char *filter)
{
    char client_id[64];
    snprintf(client_id, sizeof client_id, "load-%s-%d", name, (int)getpid());
    link_open(link, given->port, client_id);
    link_subscribe(link, filter);
    // without SA_RESTART, so that a signal ends the wait
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    fputs("ready\n", stderr);
    return watch(link, 1);
}

// Where the digits of the next `timestamp` begin, from `at` on; NULL where there is none.
static const char *timestamp_in(const char *at, const char *end)
{
    static const char key[] = "\"timestamp\":";
    const char *found = memmem(at, (size_t)(end - at), key, sizeof key - 1);
    if (!found)
        return NULL;
    for (found += sizeof key - 1; found < end && *found == ' '; found++) {}
    return found;
}

enum { VERSIONS = 8, VERSION_BYTES = 65 };

struct version {
    char name[VERSION_BYTES];
    long count;
};

struct received {
    long wanted, count, messages, bytes;
    int64_t first_ns, last_ns, clock_ahead_ns;
    uint32_t *latency_us;
    int64_t *taken_ns;
    struct version versions[VERSIONS];
};

// Which model a prediction names; a reading names none.
static void count_version(struct received *received, const char *at, const char *end)
{
    static const char key[] = "\"model_version\":\"";
    const char *name = memmem(at, (size_t)(end - at), key, sizeof key - 1);
    if (!name)
        return;
    name += sizeof key - 1;
    const char *quote = memchr(name, '"', (size_t)(end - name));
    size_t length = quote ? (size_t)(quote - name) : 0;
    if (length == 0 || length >= VERSION_BYTES)
        fail("a prediction names a model version of %zu bytes", length);
    struct version *version = received->versions, *beyond = version + VERSIONS;
    while (version < beyond && version->count &&
           (strlen(version->name) != length || memcmp(version->name, name, length)))
        version++;
    if (version == beyond)
        fail("the predictions name more than %d model versions", VERSIONS);
    memcpy(version->name, name, length);
    version->count++;
}

// One message may tell of several readings: each `timestamp` in it is one.
static void count_in(struct link *link, struct publication publication, void *own)
{
    (void)link;
    struct received *received = own;
    const char *at = publication.payload, *end = at + publication.payload_length;
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    received->first_ns = received->messages ? received->first_ns : now_ns;
    received->last_ns = now_ns;
    received->messages++;
    received->bytes += (long)publication.payload_length;
    count_version(received, at, end);
    while ((at = timestamp_in(at, end))) {
        int64_t taken_ns = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            taken_ns = taken_ns * 10 + (*at - '0');
        int64_t latency_us = (now_ns + received->clock_ahead_ns - taken_ns) / 1000;
        latency_us = latency_us < 0 ? 0 : latency_us > UINT32_MAX ? UINT32_MAX : latency_us;
        if (received->count < received->wanted) {
            received->latency_us[received->count] = (uint32_t)latency_us;
            received->taken_ns[received->count] = taken_ns;
        }
        received->count++;
    }
}

static int ascending(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static int earlier(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

// How many different readings were told of: no two of one publisher have the same time.
static long distinct(int64_t *taken_ns, long count)
{
    qsort(taken_ns, (size_t)count, sizeof *taken_ns, earlier);
    long found = count > 0;
    for (long i = 1; i < count; i++)
        found += taken_ns[i] != taken_ns[i - 1];
    return found;
}

static void print_versions(const struct version *versions)
{
    fputs(",\"versions\":{", stdout);
    for (int i = 0; i < VERSIONS && versions[i].count; i++)
        printf("%s\"%s\":%ld", i ? "," : "", versions[i].name, versions[i].count);
    fputs("}", stdout);
}

static void print_received(struct received *received)
{
    long kept = received->count < received->wanted ? received->count : received->wanted;
    qsort(received->latency_us, (size_t)kept, sizeof *received->latency_us, ascending);
    double seconds = (double)(received->last_ns - received->first_ns) / (double)NS_PER_S;
    printf("{\"received\":%ld,\"distinct\":%ld,\"messages\":%ld,\"first_ns\":%" PRId64 ",\"last_ns\":%" PRId64
           ",\"rate\":%.1f,\"bytes_each\":%.1f",
           received->count, distinct(received->taken_ns, kept), received->messages, received->first_ns,
           received->last_ns,
           seconds > 0 ? (double)(received->count - 1) / seconds : 0.0,
           received->messages ? (double)received->bytes / (double)received->messages : 0.0);
    static const struct {
        const char *name;
        double share;
    } told[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1.0}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        uint32_t value = kept ? received->latency_us[(long)((double)(kept - 1) * told[i].share)] : 0;
        printf(",\"%s_us\":%" PRIu32, told[i].name, value);
    }
    print_versions(received->versions);
    printf(",\"processor_s\":%.3f}\n", processor_s());
}

static int receive(const struct options *given)
{
    struct link link;
    struct received received = {.wanted = given->count};
    received.latency_us = memory((size_t)given->count, sizeof *received.latency_us);
    received.taken_ns = memory((size_t)given->count, sizeof *received.taken_ns);
    int poll = subscribed(&link, given, "receive", given->topic);
    struct epoll_event event;
    int64_t heard_ns = clock_ns(CLOCK_MONOTONIC);
    while (!stopped && received.count <= given->count) {
        int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        long patience_ms = received.count < given->count ? given->idle_ms : given->linger_ms;
        if (now_ns - heard_ns > patience_ms * 1000000LL)
            break;
        received.clock_ahead_ns = clock_ns(CLOCK_REALTIME) - now_ns;
        long before = received.messages;
        if (epoll_wait(poll, &event, 1, patience_ms < 100 ? (int)patience_ms : 100) > 0)
            work(&link, 0, count_in, &received);
        heard_ns = received.messages > before ? received.last_ns : heard_ns;
    }
    print_received(&received);
    link_close(&link);
    free(received.latency_us);
    free(received.taken_ns);
    close(poll);
    return 0;
}

struct relayed {
    int bytes;
    long count;
};

static void answer(struct link *link, struct publication publication, void *own)
{
    struct relayed *relayed = own;
    char topic[TOPIC_BYTES], payload[READING_BYTES * 2];
    const char *last = memrchr(publication.topic, '/', publication.topic_length);
    const char *end = publication.payload + publication.payload_length;
    const char *time = timestamp_in(publication.payload, end);
    int before = last ? (int)(last - publication.topic) : 0;
    if (!time || end - time < TIME_DIGITS || before == 0 || before > TOPIC_BYTES / 2)
        return; // not a reading of ours
    int topic_length = snprintf(topic, sizeof topic, "%.*s/predictions", before, publication.topic);
    const char *device = memrchr(topic, '/', (size_t)before);
    int device_length = device ? (int)(topic + before - ++device) : 0;
    int length = snprintf(payload, sizeof payload,
                          "{\"device_id\":\"%.*s\",\"timestamp\":%.*s,\"state\":\"HEALTHY\",\"health_percent\":97.53",
                          device_length, device_length ? device : "", TIME_DIGITS, time);
    for (; length < relayed->bytes - 1; length++)
        payload[length] = ' ';
    payload[length++] = '}';
    put_publish(link, topic, (size_t)topic_length, payload, (size_t)length);
    relayed->count++;
}

static int relay(const struct options *given)
{
    struct link link;
    struct relayed relayed = {.bytes = given->bytes};
    char filter[TOPIC_BYTES];
    snprintf(filter, sizeof filter, "%s/pumps/+/telemetry", given->root);
    int poll = subscribed(&link, given, "relay", filter);
    struct epoll_event event;
    while (!stopped)
        if (epoll_wait(poll, &event, 1, 100) > 0)
            work(&link, publish_bytes(TOPIC_BYTES, READING_BYTES * 2), answer, &relayed);
    printf("{\"relayed\":%ld,\"processor_s\":%.3f}\n", relayed.count, processor_s());
    link_close(&link);
    close(poll);
    return 0;
}

#endif
