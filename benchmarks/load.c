// Load for a broker on loopback, and what counts what comes out of it: MQTT 3.1.1 at QoS 1, one JSON line a run.
//
//   cc -O2 -Wall -Wextra -Werror -o load load.c        then: ./load --help
#define _GNU_SOURCE
#include <getopt.h>

#include "load_publish.h"
#include "load_receive.h"

static const char HELP[] =
    "load publish --port N --count N [--rate HZ] [--connections N] [--devices N] [--window N] [--first N] [--root R]\n"
    "    Readings of that many devices in turn; done when the broker has acknowledged all.\n"
    "load receive --port N --count N [--topic FILTER] [--idle-ms N] [--linger-ms N]\n"
    "    Takes and acknowledges until that many predictions (or readings) have come, or none for so long; then\n"
    "    listens a little longer for one too many. Latency is the time since the `timestamp` that each of them\n"
    "    echoes, which also tells whether two are of the same reading.\n"
    "load relay --port N [--root R] [--bytes N]\n"
    "    The limit of a service without a model: one prediction of N bytes for each reading, until SIGTERM.\n"
    "\n"
    "receive and relay say `ready` on stderr when they are subscribed. Defaults: --rate 0 (flat out) --connections 8\n"
    "--devices 1000 --window 500 (unacknowledged, of each connection) --first 0 (of measurement_id) --root factory\n"
    "--topic factory/pumps/+/predictions --idle-ms 10000 --linger-ms 200 --bytes 150\n";

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        fail("--%s %s: a number from %g to %g is needed", name, text, least, most);
    return value;
}

static struct options options_of(int count, char **arguments)
{
    static const struct option known[] = {
        {"port", 1, 0, 'p'},    {"count", 1, 0, 'n'},  {"rate", 1, 0, 'r'},  {"connections", 1, 0, 'c'},
        {"devices", 1, 0, 'd'}, {"window", 1, 0, 'w'}, {"first", 1, 0, 'f'}, {"idle-ms", 1, 0, 'i'},
        {"bytes", 1, 0, 'b'},   {"root", 1, 0, 'R'},   {"topic", 1, 0, 't'}, {"linger-ms", 1, 0, 'l'},
        {0, 0, 0, 0},
    };
    struct options given = {.connections = 8, .devices = 1000, .window = 500, .bytes = 150, .idle_ms = 10000};
    given.root = "factory";
    given.topic = "factory/pumps/+/predictions";
    given.linger_ms = 200;
    for (int index = 0, found; (found = getopt_long(count, arguments, "", known, &index)) != -1;) {
        const char *name = found == '?' ? "" : known[index].name;
        switch (found) {
        case 'p': given.port = (int)number(name, optarg, 1, 65535); break;
        case 'n': given.count = (long)number(name, optarg, 1, 1e8); break;
        case 'r': given.rate = number(name, optarg, 0, 1e7); break;
        case 'c': given.connections = (int)number(name, optarg, 1, 4096); break;
        case 'd': given.devices = (int)number(name, optarg, 1, 99999); break;
        case 'w': given.window = (int)number(name, optarg, 1, 65000); break;
        case 'f': given.first = (long)number(name, optarg, 0, 8e9); break;
        case 'i': given.idle_ms = (long)number(name, optarg, 1, 1e7); break;
        case 'l': given.linger_ms = (long)number(name, optarg, 0, 1e6); break;
        case 'b': given.bytes = (int)number(name, optarg, 0, READING_BYTES * 2 - 1); break;
        case 'R': given.root = optarg; break;
        case 't': given.topic = optarg; break;
        default: fail("what the options are, `load --help` says");
        }
    }
    if (!given.port)
        fail("--port of the broker is missing");
    return given;
}

int main(int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";
    for (int i = 1; i < count; i++)
        if (!strcmp(arguments[i], "--help"))
            return fputs(HELP, stdout) < 0;
    bool relays = !strcmp(command, "relay"), publishes = !strcmp(command, "publish");
    if (!relays && !publishes && strcmp(command, "receive"))
        fail("publish, receive or relay? `load --help` says what each does");
    struct options given = options_of(count - 1, arguments + 1);
    if (!relays && !given.count)
        fail("--count is missing");
    return relays ? relay(&given) : publishes ? publish(&given) : receive(&given);
}
