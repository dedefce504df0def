// The link over libmosquitto. No thread of its own: the program polls its socket.
#pragma once

#include <mosquitto.h>

#include <memory>
#include <string>

#include "device.hpp"
#include "seams.hpp"

namespace pdm::native {

/// How to reach the broker; TLS where `ca_file` is set, and no password where `username` is empty.
struct Broker {
    std::string host = "127.0.0.1";
    int port = 1883;
    std::string ca_file, username, password;
};

class MosquittoLink final : public Link {
  public:
    /// One connection, as one device. Throws std::runtime_error where the CA file cannot be used.
    MosquittoLink(const Broker& broker, const std::string& device_id);
    MosquittoLink(const MosquittoLink&) = delete;
    MosquittoLink& operator=(const MosquittoLink&) = delete;

    /// Who is told what happens.
    void attach(Device* device) { device_ = device; }

    void connect(const char* will_topic, const char* will_payload, size_t will_bytes) override;
    int32_t publish(const char* topic, const char* payload, size_t bytes, bool retained) override;
    void subscribe(const char* topic) override;

    /// Leave without the last will.
    void leave() { mosquitto_disconnect(client_.get()); }

    /// For poll(): the socket, -1 while there is none, and whether there is something to write.
    int socket() const { return mosquitto_socket(client_.get()); }
    bool wants_write() const { return mosquitto_want_write(client_.get()); }
    /// What poll() found; keepalive and failures besides.
    void work(bool readable, bool writable, bool hung_up);

  private:
    int prepare();
    void closed(int code);

    static void on_connect(mosquitto*, void* self, int code);
    static void on_publish(mosquitto*, void* self, int message_id);
    static void on_message(mosquitto*, void* self, const mosquitto_message* message);

    struct Destroy {
        void operator()(mosquitto* client) const { mosquitto_destroy(client); }
    };

    Broker broker_;
    char client_id_[CLIENT_ID_ROOM];
    std::unique_ptr<mosquitto, Destroy> client_;
    Device* device_ = nullptr;
    bool open_ = false;  // since connect(), until it is closed
};

}  // namespace pdm::native
