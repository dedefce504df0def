#include "provision.hpp"

#include <string.h>

namespace pdm {

const char* const SOURCE_NAMES[SOURCES] = {"twin", "real"};

namespace {

enum Field {
    DEVICE_ID, TOPIC_ROOT, WIFI_SSID, WIFI_PASSWORD, BROKER_HOST, USERNAME, PASSWORD, CA_PEM, NTP_SERVER, TEXTS,
    BROKER_PORT = TEXTS, TLS, SENSORS, FIELDS
};
constexpr const char* NAMES[FIELDS] = {"device_id",   "topic_root", "wifi_ssid",  "wifi_password",
                                       "broker_host", "username",   "password",   "ca_pem",
                                       "ntp_server",  "broker_port", "tls",       "sensors"};

bool printable(const char* text) {
    for (; *text != '\0'; ++text) {
        if (*text < ' ' || *text > '~') return false;
    }
    return true;
}

bool valid_ssid(const char* ssid) { return *ssid != '\0'; }

/// WPA's passphrase, or none. Source: IEEE 802.11, annex J.4.1: 8 to 63 characters, 32 to 126.
bool valid_passphrase(const char* passphrase) {
    return *passphrase == '\0' || (strlen(passphrase) >= 8 && printable(passphrase));
}

bool valid_host(const char* host) {
    if (*host == '\0') return false;
    for (; *host != '\0'; ++host) {
        bool letter = (*host >= 'a' && *host <= 'z') || (*host >= 'A' && *host <= 'Z');
        if (!letter && !(*host >= '0' && *host <= '9') && strchr("._-:", *host) == nullptr) return false;
    }
    return true;
}

bool valid_pem(const char* pem) {
    if (*pem == '\0') return true;
    constexpr char BEGIN[] = "-----BEGIN CERTIFICATE-----";
    if (strncmp(pem, BEGIN, sizeof BEGIN - 1) != 0) return false;
    if (strstr(pem, "\n-----END CERTIFICATE-----") == nullptr) return false;
    for (; *pem != '\0'; ++pem) {
        if (*pem != '\n' && *pem != '\r' && (*pem < ' ' || *pem > '~')) return false;
    }
    return true;
}

struct Form {
    size_t offset;
    size_t room;
    bool (*good)(const char*);
    const char* limit;
    bool secret;
    bool may_be_empty;  // told or not, the device can connect; an empty text takes it back
};
#define PDM_TEXT(field) offsetof(Provision, field), sizeof(Provision::field)
constexpr Form FORMS[TEXTS] = {
    {PDM_TEXT(device_id), valid_device_id, "is not 1 to 64 letters, digits, '.', '_' or '-'", false, false},
    {PDM_TEXT(root), valid_root, "is not 1 to 64 letters, digits, '.', '_' or '-', with '/' between", false, false},
    {PDM_TEXT(wifi_ssid), valid_ssid, "is not 1 to 32 bytes", false, false},
    {PDM_TEXT(wifi_password), valid_passphrase, "is not 8 to 63 printable characters, nor empty", true, true},
    {PDM_TEXT(broker_host), valid_host, "is no name or address of 1 to 253 characters", false, false},
    {PDM_TEXT(username), printable, "is not up to 64 printable characters", false, true},
    {PDM_TEXT(password), printable, "is not up to 128 printable characters", true, true},
    {PDM_TEXT(ca_pem), valid_pem, "is no certificate in PEM of up to 2048 bytes", true, true},
    {PDM_TEXT(ntp_server), valid_host, "is no name or address of 1 to 253 characters", false, false},
};
#undef PDM_TEXT

char* text_of(Provision& provision, const Form& form) { return reinterpret_cast<char*>(&provision) + form.offset; }

const char* text_of(const Provision& provision, const Form& form) {
    return reinterpret_cast<const char*>(&provision) + form.offset;
}

bool read_text(Fields& fields, int field, Provision& next) {
    const Form& form = FORMS[field];
    char* into = text_of(next, form);
    JsonValue value;
    if (!fields.value(value, into, form.room)) return false;
    bool good = value.type == JsonType::TEXT && value.text_bytes < form.room && form.good(into);
    return good || fields.refuse(NAMES[field], value, form.limit, form.secret);
}

bool read_other(Fields& fields, int field, Provision& next) {
    char text[8];
    JsonValue value;
    if (!fields.value(value, text, sizeof text)) return false;
    if (field == BROKER_PORT) {
        bool good = value.type == JsonType::NUMBER && value.whole && value.integer >= 1 && value.integer <= UINT16_MAX;
        if (!good) return fields.refuse(NAMES[field], value, "is not a whole number from 1 to 65535");
        next.broker_port = static_cast<uint16_t>(value.integer);
        return true;
    }
    if (field == TLS) {
        if (value.type != JsonType::BOOLEAN) return fields.refuse(NAMES[field], value, "is not true or false");
        next.tls = value.boolean;
        return true;
    }
    bool real = value.type == JsonType::TEXT && strcmp(text, "real") == 0;
    if (!real && (value.type != JsonType::TEXT || strcmp(text, "twin") != 0)) {
        return fields.refuse(NAMES[field], value, "is not twin or real");
    }
    next.sensors = real ? Source::REAL : Source::TWIN;
    return true;
}

bool parse(Fields& fields, Provision& next) {
    uint32_t seen = 0;
    if (!fields.open()) return false;
    int field;
    while ((field = fields.next(NAMES, FIELDS, seen)) >= 0) {
        if (!(field < TEXTS ? read_text(fields, field, next) : read_other(fields, field, next))) return false;
    }
    if (field == Fields::REFUSED || !fields.close()) return false;
    return seen != 0 || fields.refuse("no field is given");
}

}  // namespace

bool parse_provision(const char* text, size_t bytes, const Provision& now, Provision& next, char (&error)[ERROR_ROOM]) {
    next = now;
    if (bytes > MAX_PROVISION_BYTES) {
        Text(error, sizeof error).add("a line of ").add(uint64_t{bytes}).add(" bytes is over 4096");
        return false;
    }
    Fields fields(text, bytes, error, sizeof error);
    if (parse(fields, next)) return true;
    next = now;
    return false;
}

bool valid(const Provision& provision) {
    for (const Form& form : FORMS) {
        const char* text = text_of(provision, form);
        if (memchr(text, '\0', form.room) == nullptr) return false;
        if (!form.good(text) && *text != '\0') return false;
    }
    uint8_t tls;
    memcpy(&tls, &provision.tls, 1);  // read as a bool, another byte than 0 or 1 would be undefined behaviour
    return tls <= 1 && provision.broker_port > 0 && static_cast<int>(provision.sensors) < SOURCES;
}

bool complete(const Provision& provision, char (&missing)[ERROR_ROOM]) {
    Text names(missing, sizeof missing);
    for (int field = 0; field < TEXTS; ++field) {
        const Form& form = FORMS[field];
        bool needed = !form.may_be_empty || (field == CA_PEM && provision.tls);
        if (!needed || *text_of(provision, form) != '\0') continue;
        if (names.size() > 0) names.add(", ");
        names.add(NAMES[field]);
    }
    return names.size() == 0;
}

}  // namespace pdm
