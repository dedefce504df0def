#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "provision.hpp"

using namespace pdm;

namespace {

const char* const PEM = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n";

std::string whole() {
    return R"({"device_id":"pump-001","topic_root":"plant/north","wifi_ssid":"hall 3","wifi_password":"correct horse",
               "broker_host":"broker.example","broker_port":8884,"tls":true,"username":"pump-001","password":"s3cret",
               "ca_pem":")" + std::string(PEM) + R"(","ntp_server":"10.0.0.1","sensors":"real"})";
}

Provision accepted(const std::string& text, const Provision& now = Provision()) {
    Provision next;
    char error[ERROR_ROOM];
    bool good = parse_provision(text.data(), text.size(), now, next, error);
    REQUIRE_MESSAGE(good, text << ": " << error);
    CHECK(valid(next));
    return next;
}

std::string refused(const std::string& text) {
    const Provision now = accepted(whole());
    Provision next;
    char error[ERROR_ROOM] = "";
    CHECK_FALSE_MESSAGE(parse_provision(text.data(), text.size(), now, next, error), text);
    CHECK(std::string(next.device_id) == now.device_id);
    CHECK(std::string(next.password) == now.password);
    CHECK(std::string(next.ca_pem) == now.ca_pem);
    CHECK(next.broker_port == now.broker_port);
    return error;
}

std::string missing_of(const Provision& provision) {
    char missing[ERROR_ROOM];
    bool good = complete(provision, missing);
    CHECK(good == (missing[0] == '\0'));
    return missing;
}

}  // namespace

TEST_CASE("one line tells a device all it must know") {
    Provision told = accepted(whole());
    CHECK(std::string(told.device_id) == "pump-001");
    CHECK(std::string(told.root) == "plant/north");
    CHECK(std::string(told.wifi_ssid) == "hall 3");
    CHECK(std::string(told.wifi_password) == "correct horse");
    CHECK(std::string(told.broker_host) == "broker.example");
    CHECK(told.broker_port == 8884);
    CHECK(told.tls);
    CHECK(std::string(told.username) == "pump-001");
    CHECK(std::string(told.password) == "s3cret");
    CHECK(std::string(told.ca_pem) == "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    CHECK(std::string(told.ntp_server) == "10.0.0.1");
    CHECK(told.sensors == Source::REAL);
    CHECK(missing_of(told) == "");
}

TEST_CASE("a later line changes what it names and leaves the rest") {
    Provision told = accepted(R"({"broker_port":1883,"tls":false,"ca_pem":"","sensors":"twin"})", accepted(whole()));
    CHECK(told.broker_port == 1883);
    CHECK_FALSE(told.tls);
    CHECK(std::string(told.ca_pem) == "");
    CHECK(told.sensors == Source::TWIN);
    CHECK(std::string(told.device_id) == "pump-001");
    CHECK(missing_of(told) == "");
}

TEST_CASE("a new device says what it must be told") {
    Provision fresh;
    CHECK(valid(fresh));
    CHECK(missing_of(fresh) == "device_id, wifi_ssid, broker_host, ca_pem");
    fresh.tls = false;
    CHECK(missing_of(fresh) == "device_id, wifi_ssid, broker_host");
}

TEST_CASE("a field out of its limits is refused by name") {
    CHECK(refused(R"({"device_id":"pump 1"})") ==
          R"(device_id "pump 1" is not 1 to 64 letters, digits, '.', '_' or '-')");
    CHECK(refused(R"({"device_id":7})").rfind("device_id 7 is not", 0) == 0);
    CHECK(refused(R"({"device_id":")" + std::string(65, 'x') + "\"}").rfind("device_id \"xxx", 0) == 0);
    CHECK(refused(R"({"topic_root":"/a"})").rfind("topic_root \"/a\" is not", 0) == 0);
    CHECK(refused(R"({"wifi_ssid":""})") == "wifi_ssid \"\" is not 1 to 32 bytes");
    CHECK(refused(R"({"wifi_ssid":"012345678901234567890123456789012"})").rfind("wifi_ssid", 0) == 0);
    CHECK(refused(R"({"broker_host":"a b"})") == "broker_host \"a b\" is no name or address of 1 to 253 characters");
    CHECK(refused(R"({"broker_host":"mqtt://a"})").rfind("broker_host", 0) == 0);
    CHECK(refused(R"({"broker_port":0})") == "broker_port 0 is not a whole number from 1 to 65535");
    CHECK(refused(R"({"broker_port":65536})") == "broker_port 65536 is not a whole number from 1 to 65535");
    CHECK(refused(R"({"tls":1})") == "tls 1 is not true or false");
    CHECK(refused(R"({"sensors":"both"})") == "sensors \"both\" is not twin or real");
    CHECK(refused(R"({"username":"a\n"})").rfind("username", 0) == 0);
    CHECK(refused(R"({"ntp_server":""})").rfind("ntp_server", 0) == 0);
    CHECK(refused(R"({"broker":"x"})") == "field broker is not known");
    CHECK(refused("{}") == "no field is given");
    CHECK(refused("") != "");
    CHECK(refused(std::string(4097, ' ')) == "a line of 4097 bytes is over 4096");
}

TEST_CASE("an error never shows a password or a certificate") {
    for (const std::string& text : {
             std::string(R"({"wifi_password":"hunter2"})"), R"({"password":"hunter2)" + std::string(128, 'x') + "\"}",
             std::string(R"({"ca_pem":"hunter2"})"), std::string(R"({"password":{"hunter2":1}})"),
             std::string(R"({"password":"hunter2"x})"), std::string(R"({"password":"hunter2\n"})"),
             std::string(R"({"password":"ok","password":"hunter2"})"), std::string(R"({"wifi_password":hunter2})"),
             std::string(R"({"username":"u","hunter2"})"),
         }) {
        std::string error = refused(text);
        CHECK_MESSAGE(error != "", text);
        CHECK_MESSAGE(error.find("hunter2") == std::string::npos, error);
    }
    CHECK(refused(R"({"wifi_password":"hunter2"})") == "wifi_password is not 8 to 63 printable characters, nor empty");
}

TEST_CASE("the longest certificate fits into a line, one byte more is refused") {
    std::string body(2048 - 28 - 26, 'A');
    std::string pem = "-----BEGIN CERTIFICATE-----\\n" + body + "\\n-----END CERTIFICATE-----";
    CHECK(std::strlen(accepted(R"({"ca_pem":")" + pem + "\"}").ca_pem) == 2048);
    CHECK(refused(R"({"ca_pem":")" + pem + "\\n\"}").rfind("ca_pem is no", 0) == 0);
}

TEST_CASE("what was read back from flash is valid only within its limits") {
    const Provision good = accepted(whole());
    Provision spoilt = good;
    std::memset(spoilt.username, 'x', sizeof spoilt.username);
    CHECK_FALSE(valid(spoilt));
    spoilt = good;
    spoilt.device_id[0] = '/';
    CHECK_FALSE(valid(spoilt));
    spoilt = good;
    spoilt.broker_port = 0;
    CHECK_FALSE(valid(spoilt));
    spoilt = good;
    spoilt.sensors = static_cast<Source>(2);
    CHECK_FALSE(valid(spoilt));
    spoilt = good;
    std::memset(&spoilt.tls, 0xFF, 1);
    CHECK_FALSE(valid(spoilt));
}
