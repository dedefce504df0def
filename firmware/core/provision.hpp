// What a device must be told once, on the serial line: who it is, and the way to its broker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fields.hpp"
#include "topics.hpp"

namespace pdm {

constexpr size_t MAX_PROVISION_BYTES = 4096;

/// Where readings come from: the simulated pump, or sensors that are wired to the board.
enum class Source : uint8_t { TWIN, REAL };
constexpr int SOURCES = 2;
extern const char* const SOURCE_NAMES[SOURCES];

/// Plain bytes; each text NUL-terminated, empty where it is not known.
struct Provision {
    char device_id[MAX_DEVICE_ID + 1] = "";
    char root[MAX_ROOT + 1] = "factory";
    char wifi_ssid[32 + 1] = "";
    char wifi_password[63 + 1] = "";   ///< empty for an open network
    char broker_host[253 + 1] = "";    ///< name or address
    uint16_t broker_port = 8883;
    bool tls = true;
    Source sensors = Source::TWIN;
    char username[64 + 1] = "";
    char password[128 + 1] = "";
    char ca_pem[2048 + 1] = "";        ///< the authority that signed the broker's certificate
    char ntp_server[253 + 1] = "pool.ntp.org";
};

/// Reads one JSON object with the fields of Provision (`topic_root` for root, `sensors`: "twin" or "real"), all
/// optional, at least one. They are merged over `now` into `next`, which must be another object. Where anything is
/// refused `next` equals `now`, and `error` says what is wrong in printable ASCII; it never holds a password or a
/// certificate.
bool parse_provision(const char* text, size_t bytes, const Provision& now, Provision& next, char (&error)[ERROR_ROOM]);

/// Whether every field is within its limits, as what was read back from flash need not be.
bool valid(const Provision& provision);

/// Whether nothing is missing to connect. `missing` gets the names of what is, with ", " between them.
bool complete(const Provision& provision, char (&missing)[ERROR_ROOM]);

}  // namespace pdm
