// Readings of many devices in turn, at a rate or flat out with a bounded window.
#ifndef LOAD_PUBLISH_H
#define LOAD_PUBLISH_H

#include "load_options.h"

// The parts of a reading's JSON; device, time and number are written over the zeros of a copy of the head.
struct readings {
    char head[READING_BYTES], topic[TOPIC_BYTES];
    char tails[VARIANTS][READING_BYTES / 2];
    size_t tail_lengths[VARIANTS];
    char *device, *time, *number, *topic_device;
    int64_t latest_ns;
};

enum { DEVICE_DIGITS = 5, NUMBER_DIGITS = 10 };

static void put_digits(char *at, int64_t value, int digits)
{
    for (char *place = at + digits; place > at; value /= 10)
        *--place = (char)('0' + value % 10);
}

// A healthy pump: its channels, each up to 2 % away from what is usual. The same in every run.
static void draw_tails(struct readings *readings)
{
    static const char *const names[] = {"vibration_x", "vibration_y", "vibration_z", "vibration_rms",
                                        "temperature", "pressure",    "current",     "rpm"};
    static const double usual[] = {0.6, 0.6, 0.5, 0.985, 38.0, 4.2, 7.8, 2850.0};
    uint64_t drawn = 1;
    for (int variant = 0; variant < VARIANTS; variant++) {
        char *tail = readings->tails[variant];
        int length = 0;
        for (int channel = 0; channel < 8; channel++) {
            drawn = drawn * 6364136223846793005u + 1442695040888963407u; // Knuth's MMIX generator
            double off = 0.04 * ((double)(drawn >> 11) / 9007199254740992.0 - 0.5);
            length += sprintf(tail + length, ",\"%s\":%.3f", names[channel], usual[channel] * (1.0 + off));
        }
        readings->tail_lengths[variant] = (size_t)(length + sprintf(tail + length, "}"));
    }
}

static struct readings *readings_below(const char *root)
{
    struct readings *found = memory(1, sizeof *found);
    int length = snprintf(found->topic, TOPIC_BYTES, "%s/pumps/pump-%0*d/telemetry", root, DEVICE_DIGITS, 0);
    if (length >= TOPIC_BYTES)
        fail("--root %s: a topic of %d bytes is too long", root, length);
    found->topic_device = found->topic + strlen(root) + strlen("/pumps/pump-");
    snprintf(found->head, READING_BYTES, "{\"device_id\":\"pump-%0*d\",\"timestamp\":%0*d,\"measurement_id\":%0*d",
             DEVICE_DIGITS, 0, TIME_DIGITS, 0, NUMBER_DIGITS, 0);
    found->device = strstr(found->head, "pump-") + strlen("pump-");
    found->time = strstr(found->head, "timestamp\":") + strlen("timestamp\":");
    found->number = strstr(found->head, "measurement_id\":") + strlen("measurement_id\":");
    draw_tails(found);
    return found;
}

// The time now, and never one that was given before: by its time a reading is known again.
static int64_t own_time_ns(struct readings *readings)
{
    int64_t now_ns = clock_ns(CLOCK_REALTIME);
    readings->latest_ns = now_ns > readings->latest_ns ? now_ns : readings->latest_ns + 1;
    return readings->latest_ns;
}

// Whether the reading went into the connection's buffer; the clock is read for each: one device, one time, one point.
static bool put_reading(struct link *link, struct readings *readings, const struct options *given, long turn)
{
    long device = turn % given->devices, variant = (turn * 7 + turn / given->devices) % VARIANTS;
    size_t head = strlen(readings->head), tail = readings->tail_lengths[variant], topic = strlen(readings->topic);
    if (link->in_flight >= given->window || !has_room(link, publish_bytes(topic, head + tail)))
        return false;
    put_digits(readings->device, device, DEVICE_DIGITS);
    put_digits(readings->topic_device, device, DEVICE_DIGITS);
    put_digits(readings->time, own_time_ns(readings), TIME_DIGITS);
    // ten digits from the first one on: no number in JSON begins with a zero
    put_digits(readings->number, 1000000000L + given->first + turn / given->devices, NUMBER_DIGITS);
    char payload[READING_BYTES];
    memcpy(payload, readings->head, head);
    memcpy(payload + head, readings->tails[variant], tail);
    put_publish(link, readings->topic, topic, payload, head + tail);
    return true;
}

static long take_acks(struct link *link)
{
    struct packet packet;
    long acknowledged = 0;
    while (take_in(link))
        while (next_packet(link, &packet))
            acknowledged += packet.type == PUBACK;
    link->in_flight -= acknowledged;
    return acknowledged;
}

struct pace {
    int64_t began_ns, progress_ns, latest_ns;
    long sent, acknowledged;
};

// How many readings should have gone by now; notes by how much the first that has not gone is late.
static long due_by_now(struct pace *pace, const struct options *given)
{
    if (given->rate <= 0)
        return given->count;
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    int64_t late_ns = now_ns - pace->began_ns - (int64_t)((double)pace->sent / given->rate * (double)NS_PER_S);
    long due = (long)((double)(now_ns - pace->began_ns) * given->rate / (double)NS_PER_S) + 1;
    if (pace->sent < given->count && late_ns > pace->latest_ns)
        pace->latest_ns = late_ns;
    return due < given->count ? due : given->count;
}

// Sleep until the next reading is due, or until the broker moves. A shorter nap would cost as much as it saves.
static void wait_for_turn(int poll, struct pace *pace, const struct options *given, bool held_back)
{
    struct epoll_event events[64];
    bool all_sent = pace->sent == given->count, paced = given->rate > 0 && !all_sent && !held_back;
    if (paced) {
        int64_t due_ns = pace->began_ns + (int64_t)((double)pace->sent / given->rate * (double)NS_PER_S);
        int64_t nap_ns = due_ns - clock_ns(CLOCK_MONOTONIC);
        nap_ns = nap_ns < 100000 ? 100000 : nap_ns;
        nanosleep(&(struct timespec){nap_ns / NS_PER_S, nap_ns % NS_PER_S}, NULL);
    }
    int found = epoll_wait(poll, events, 64, held_back || all_sent ? 100 : 0);
    for (int i = 0; i < found; i++) {
        struct link *link = events[i].data.ptr;
        long acknowledged = take_acks(link);
        pace->acknowledged += acknowledged;
        pace->progress_ns = acknowledged ? clock_ns(CLOCK_MONOTONIC) : pace->progress_ns;
    }
    if (clock_ns(CLOCK_MONOTONIC) - pace->progress_ns > STALLED_S * NS_PER_S && pace->acknowledged < pace->sent)
        fail("the broker acknowledged %ld of %ld readings, and none for %d s", pace->acknowledged, pace->sent,
             STALLED_S);
}

static void print_published(const struct pace *pace)
{
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - pace->began_ns) / (double)NS_PER_S;
    printf("{\"sent\":%ld,\"acknowledged\":%ld,\"began_ns\":%" PRId64 ",\"seconds\":%.6f,\"rate\":%.1f,"
           "\"late_ms\":%.3f,\"processor_s\":%.3f}\n",
           pace->sent, pace->acknowledged, pace->began_ns, seconds, (double)pace->acknowledged / seconds,
           (double)pace->latest_ns / 1e6, processor_s());
}

static int publish(const struct options *given)
{
    struct link *links = memory((size_t)given->connections, sizeof *links);
    struct readings *readings = readings_below(given->root);
    for (int i = 0; i < given->connections; i++) {
        char name[64];
        snprintf(name, sizeof name, "load-publish-%d-%d", (int)getpid(), i);
        link_open(&links[i], given->port, name);
    }
    int poll = watch(links, given->connections);
    struct pace pace = {.began_ns = clock_ns(CLOCK_MONOTONIC)};
    pace.progress_ns = pace.began_ns;
    while (pace.acknowledged < given->count) {
        bool held_back = false;
        long due = due_by_now(&pace, given), until = due < pace.sent + TURN ? due : pace.sent + TURN;
        while (pace.sent < until && !held_back) {
            struct link *link = &links[pace.sent % given->devices % given->connections];
            held_back = !put_reading(link, readings, given, pace.sent);
            pace.sent += !held_back;
        }
        for (int i = 0; i < given->connections; i++)
            send_out(&links[i]);
        wait_for_turn(poll, &pace, given, held_back);
    }
    print_published(&pace);
    for (int i = 0; i < given->connections; i++)
        link_close(&links[i]);
    free(links);
    free(readings);
    close(poll);
    return 0;
}

#endif
