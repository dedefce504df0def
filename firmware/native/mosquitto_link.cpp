#include "mosquitto_link.hpp"

#include <stdexcept>

namespace pdm::native {
namespace {

constexpr int KEEPALIVE_S = 30;
constexpr int AT_LEAST_ONCE = 1;

}  // namespace

MosquittoLink::MosquittoLink(const Broker& broker, const std::string& device_id)
    : broker_(broker), client_(mosquitto_new(nullptr, true, this)) {
    client_id_of(device_id.c_str(), client_id_);
    if (!client_) {
        throw std::runtime_error("no memory for another connection");
    }
    if (const int code = prepare(); code != MOSQ_ERR_SUCCESS) {
        throw std::runtime_error("--ca " + broker.ca_file + ": " + mosquitto_strerror(code));
    }
}

int MosquittoLink::prepare() {
    mosquitto* const client = client_.get();
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_publish_callback_set(client, on_publish);
    mosquitto_message_callback_set(client, on_message);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    if (!broker_.username.empty()) {
        mosquitto_username_pw_set(client, broker_.username.c_str(), broker_.password.c_str());
    }
    return broker_.ca_file.empty()
               ? MOSQ_ERR_SUCCESS
               : mosquitto_tls_set(client, broker_.ca_file.c_str(), nullptr, nullptr, nullptr, nullptr);
}

void MosquittoLink::connect(const char* will_topic, const char* will_payload, size_t will_bytes) {
    // what an earlier connection left unacknowledged would be sent twice: the device sends it again itself
    mosquitto_reinitialise(client_.get(), client_id_, true, this);
    open_ = true;
    // a failure shows as a missing socket at the next work()
    if (prepare() == MOSQ_ERR_SUCCESS) {
        mosquitto_will_set(client_.get(), will_topic, static_cast<int>(will_bytes), will_payload, AT_LEAST_ONCE, true);
        mosquitto_connect_async(client_.get(), broker_.host.c_str(), broker_.port, KEEPALIVE_S);
    }
}

int32_t MosquittoLink::publish(const char* topic, const char* payload, size_t bytes, bool retained) {
    int message_id = 0;
    const int code = mosquitto_publish(client_.get(), &message_id, topic, static_cast<int>(bytes), payload, AT_LEAST_ONCE,
                                       retained);
    return code == MOSQ_ERR_SUCCESS ? message_id : REFUSED;
}

void MosquittoLink::subscribe(const char* topic) {
    if (mosquitto_subscribe(client_.get(), nullptr, topic, AT_LEAST_ONCE) != MOSQ_ERR_SUCCESS) {
        closed(MOSQ_ERR_NO_CONN);
    }
}

void MosquittoLink::work(bool readable, bool writable, bool hung_up) {
    if (!open_) {
        return;
    }
    int code = socket() < 0 ? MOSQ_ERR_NO_CONN : MOSQ_ERR_SUCCESS;
    if (code == MOSQ_ERR_SUCCESS && readable) {
        code = mosquitto_loop_read(client_.get(), 1);
    }
    if (code == MOSQ_ERR_SUCCESS && writable) {
        code = mosquitto_loop_write(client_.get(), 1);
    }
    if (code == MOSQ_ERR_SUCCESS) {
        code = mosquitto_loop_misc(client_.get());
    }
    // libmosquitto takes a reset during the TLS handshake for a reason to wait
    if ((code != MOSQ_ERR_SUCCESS || hung_up) && open_) {
        closed(code);
    }
}

void MosquittoLink::closed(int code) {
    open_ = false;
    if (device_ != nullptr) {
        device_->disconnected(code == MOSQ_ERR_TLS ? "TLS failed" : "unreachable");
    }
}

void MosquittoLink::on_connect(mosquitto*, void* self, int code) {
    auto* const link = static_cast<MosquittoLink*>(self);
    if (code == 0) {
        link->device_->connected();
        return;
    }
    link->open_ = false;
    switch (code) {
        case 1: link->device_->refused("refused: protocol version"); break;
        case 2: link->device_->refused("refused: client id"); break;
        case 4: link->device_->refused("refused: bad user name or password"); break;
        case 5: link->device_->refused("refused: not authorised"); break;
        default: link->device_->disconnected("refused: server unavailable");
    }
}

void MosquittoLink::on_publish(mosquitto*, void* self, int message_id) {
    static_cast<MosquittoLink*>(self)->device_->acknowledged(message_id);
}

void MosquittoLink::on_message(mosquitto*, void* self, const mosquitto_message* message) {
    static_cast<MosquittoLink*>(self)->device_->obey(static_cast<const char*>(message->payload),
                                                         static_cast<size_t>(message->payloadlen), message->retain);
}

}  // namespace pdm::native
