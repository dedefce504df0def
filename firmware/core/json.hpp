// JSON (RFC 8259) in and out, in the caller's memory: no heap, no recursion, no text that is cut off unnoticed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "text.hpp"

namespace pdm {

/// Writes one flat object, in the form and with the digits that msgspec gives it.
class JsonWriter {
  public:
    JsonWriter(char* into, size_t room) : out_(into, room) { out_.add('{'); }

    /// A byte outside printable ASCII is written as '?': the names and reasons of the device have none.
    void text(const char* name, const char* value);
    void whole(const char* name, uint64_t value);
    void boolean(const char* name, bool value);
    void null(const char* name);
    /// The number scaled / 10^digits, digits from 1 to 6, in its shortest form: 12.0, 0.7, 0.003, 2e-6. Below 10^15.
    void decimal(const char* name, int64_t scaled, int digits);
    /// An array of texts, item by item; an item of two parts has a colon between them.
    void open_list(const char* name);
    void item(const char* text, const char* second = nullptr);
    void close_list() { out_.add(']'); }
    /// Ends the object. Returns its bytes, without the NUL behind them; 0 where it did not fit.
    size_t finish();

  private:
    void begin(const char* name);
    void quoted(const char* value);
    void escaped(const char* value);

    Text out_;
    bool first_ = true;
    bool first_item_ = true;
};

enum class JsonType : uint8_t { TEXT, NUMBER, BOOLEAN, EMPTY, OBJECT, ARRAY };

/// One value. raw: as it stands in the input, for error messages; `{...}` or `[...]` for what holds others.
struct JsonValue {
    JsonType type = JsonType::EMPTY;
    const char* raw = "";
    size_t raw_bytes = 0;
    bool boolean = false;
    /// The nearest double, beyond 27 decimals perhaps its neighbour; infinite beyond 2^64, of either sign.
    double number = 0.0;
    bool whole = false;      ///< neither sign nor fraction nor exponent, and in 64 bits: `integer` is exact
    uint64_t integer = 0;
    size_t text_bytes = 0;   ///< of the text without its escapes; more than room - 1: it was cut
};

/// Walks over a document from front to back; the caller knows what may come and asks for it. After the first problem
/// every call fails.
class JsonReader {
  public:
    JsonReader(const char* text, size_t bytes) : text_(text), bytes_(bytes) {}

    /// Steps into an object ('{') or an array ('[').
    bool enter(char bracket);
    /// Whether another member comes, or the end, '}' or ']', which is then passed; false for a problem as well.
    bool next(char bracket);
    /// The name of a member of an object, cut to what fits into `room`, and the colon behind it.
    bool key(char* into, size_t room);
    /// Reads a value. Text goes into `into`, NUL-terminated. Of an object or array it tells the type and stays before
    /// it.
    bool value(JsonValue& value, char* into, size_t room);
    /// Whether nothing but white space is left.
    bool end();

    /// What is wrong, in words; nullptr while nothing is.
    const char* problem() const { return problem_; }
    /// The byte at which the reader stands, counted from 1.
    size_t position() const { return at_ + 1; }

  private:
    bool fail(const char* problem);
    void skip_space();
    bool take(char character);
    bool at_digit() const { return at_ < bytes_ && text_[at_] >= '0' && text_[at_] <= '9'; }
    bool literal(const char* word);
    bool text(char* into, size_t room, size_t& decoded_bytes);
    bool character(Text& out, size_t& decoded_bytes);
    bool escape(uint32_t& code_point);
    bool four_hex(uint32_t& unit);
    bool number(JsonValue& value);

    const char* text_;
    size_t bytes_;
    size_t at_ = 0;
    bool first_ = true;
    const char* problem_ = nullptr;
};

}  // namespace pdm
