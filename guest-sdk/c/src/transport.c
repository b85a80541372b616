/* A connection as its protocol sees it; knows nothing of protocols. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

void wisted_transport_write(wisted_transport transport, const void *data, size_t size) {
    wisted_host_write(transport.id, data, size);
}

void wisted_transport_write_many(wisted_transport transport, const wisted_bytes *pieces, size_t count) {
    wisted_host_write_many(transport.id, pieces, count);
}

void wisted_transport_printf(wisted_transport transport, const char *format, ...) {
    wisted_message message;
    va_list arguments;
    va_start(arguments, format);
    wisted_message_format_(&message, format, arguments);
    va_end(arguments);
    wisted_host_write(transport.id, message.data, message.size);
    wisted_message_free_(&message);
}

void wisted_transport_write_netstring(wisted_transport transport, const void *data, size_t size) {
    /* The digits by hand: a guest without printf is a fifth of one with it. */
    char head[24];
    char *start = head + sizeof head;
    *--start = ':';
    size_t rest = size;
    do
        *--start = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    wisted_bytes pieces[] = {
        {(const uint8_t *)start, (size_t)(head + sizeof head - start)}, {data, size}, {(const uint8_t *)",", 1}};
    wisted_host_write_many(transport.id, pieces, 3);
}

void wisted_transport_write_int32(wisted_transport transport, const void *data, size_t size) {
    uint8_t head[] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    wisted_bytes pieces[] = {{head, sizeof head}, {data, size}};
    wisted_host_write_many(transport.id, pieces, 2);
}

void wisted_transport_lose_connection(wisted_transport transport) {
    wisted_host_lose_connection(transport.id);
}

void wisted_transport_abort_connection(wisted_transport transport) {
    wisted_host_abort_connection(transport.id);
}

void wisted_transport_shutdown_write(wisted_transport transport) {
    wisted_host_shutdown_write(transport.id);
}

void wisted_transport_pause_reading(wisted_transport transport) {
    wisted_host_pause_reading(transport.id);
}

void wisted_transport_resume_reading(wisted_transport transport) {
    wisted_host_resume_reading(transport.id);
}

/* Copies an address, so that nobody has to free it. */
static wisted_address taken(const host_address *address) {
    wisted_address copy = {.port = address->port};
    size_t size = address->host.size < sizeof copy.host ? address->host.size : sizeof copy.host - 1;
    memcpy(copy.host, address->host.data, size);
    wisted_release_(address->host.data, address->host.size);
    return copy;
}

wisted_address wisted_transport_peer(wisted_transport transport) {
    host_address address;
    wisted_host_peer(transport.id, &address);
    return taken(&address);
}

wisted_address wisted_transport_host(wisted_transport transport) {
    host_address address;
    wisted_host_host(transport.id, &address);
    return taken(&address);
}

uint64_t wisted_transport_buffered_bytes(wisted_transport transport) {
    return wisted_host_buffered_bytes(transport.id);
}

const char *wisted_close_kind_name(wisted_close_kind kind) {
    static const char *const names[] = {"done", "lost", "aborted", "peer-not-reading", "stopping"};
    return kind <= WISTED_STOPPING ? names[kind] : "unknown";
}
