/* What a guest exports that serves connections. In the canonical ABI. */
#include "internal.h"

#define EXPORT_HANDLER(name) __attribute__((export_name("wisted:reactor/" name)))

const void *wisted_returned_(const char *error);

/* Named by WISTED_EXPORT_FACTORY, so that the linker takes this file. */
void wisted_link_factory_(void) {
}

EXPORT_HANDLER("lifecycle-handler@0.1.0#start") const void *wisted_start_(host_pair *items, size_t count) {
    host_pairs config = {items, count};
    const char *error = wisted_serve_start_(wisted_exported_factory, (wisted_pairs){(wisted_pair *)items, count});
    const void *result = wisted_returned_(error);
    wisted_release_pairs_(config);
    return result;
}

EXPORT_HANDLER("lifecycle-handler@0.1.0#stop") void wisted_stop_(void) {
    wisted_serve_stop_();
}

EXPORT_HANDLER("connection-handler@0.1.0#connection-made") void wisted_connection_made_(uint32_t connection) {
    wisted_serve_made_(connection);
}

EXPORT_HANDLER("connection-handler@0.1.0#data-received")
void wisted_data_received_(uint32_t connection, uint8_t *data, size_t size) {
    wisted_serve_data_(connection, data, size);
    wisted_release_(data, size);
}

EXPORT_HANDLER("connection-handler@0.1.0#connection-lost")
void wisted_connection_lost_(uint32_t connection, uint32_t kind, char *text, size_t size) {
    host_reason reason = {(uint8_t)kind, {text, size}};
    wisted_serve_lost_(connection, &reason);
    if (kind == WISTED_LOST || kind == WISTED_PEER_NOT_READING)
        wisted_release_(text, size);
}

EXPORT_HANDLER("half-close-handler@0.1.0#read-closed") void wisted_read_closed_(uint32_t connection) {
    wisted_serve_read_closed_(connection);
}

EXPORT_HANDLER("flow-handler@0.1.0#drained") void wisted_drained_(uint32_t connection) {
    wisted_serve_drained_(connection);
}
