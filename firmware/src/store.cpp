#include "store.hpp"

#include <new>
#include <type_traits>

#include "arduino.hpp"

#include <Preferences.h>

namespace pdm::board {
namespace {

constexpr const char* NAMESPACE = "pdm";
// the number is the layout's version: a changed struct gets another key, and what an older program left is not read
constexpr const char* PROVISION_KEY = "provision-1";
constexpr const char* SETTINGS_KEY = "settings-1";
constexpr const char* WIRING_KEY = "wiring-1";

/// The bytes as they were saved, not judged yet. `into` may hold rubbish where something BAD was found.
template <class Value>
Store::Found load_bytes(const char* key, Value& into) {
    static_assert(std::is_trivially_copyable<Value>::value, "saved as plain bytes");
    Preferences storage;
    // without this look-up the library logs a missing key as an error; the namespace itself is missing at first
    if (!storage.begin(NAMESPACE, true) || !storage.isKey(key)) {
        return Store::Found::NOTHING;
    }
    const bool whole =
        storage.getBytesLength(key) == sizeof into && storage.getBytes(key, &into, sizeof into) == sizeof into;
    return whole ? Store::Found::GOOD : Store::Found::BAD;
}

template <class Value>
bool save_bytes(const char* key, const Value& value) {
    Preferences storage;
    return storage.begin(NAMESPACE, false) && storage.putBytes(key, &value, sizeof value) == sizeof value;
}

}  // namespace

Store::Found Store::load(Provision& into) {
    Found outcome = load_bytes(PROVISION_KEY, into);
    if (outcome == Found::GOOD && !valid(into)) {
        outcome = Found::BAD;
    }
    if (outcome == Found::BAD) {
        new (&into) Provision();  // in place: another one would be too large for the stack
    }
    return outcome;
}

Store::Found Store::load(Settings& into) {
    Settings found;
    Found outcome = load_bytes(SETTINGS_KEY, found);
    if (outcome == Found::GOOD && !valid(found)) {
        outcome = Found::BAD;
    }
    if (outcome == Found::GOOD) {
        into = found;
    }
    return outcome;
}

// Instruments judges it, each sensor for itself
Store::Found Store::load(Wiring& into) {
    Wiring found;
    const Found outcome = load_bytes(WIRING_KEY, found);
    if (outcome == Found::GOOD) {
        into = found;
    }
    return outcome;
}

bool Store::save(const Provision& provision) { return save_bytes(PROVISION_KEY, provision); }

bool Store::save(const Settings& settings) { return save_bytes(SETTINGS_KEY, settings); }

bool Store::save(const Wiring& wiring) { return save_bytes(WIRING_KEY, wiring); }

bool Store::erase() {
    Preferences storage;
    return storage.begin(NAMESPACE, false) && storage.clear();
}

}  // namespace pdm::board
