/* The contract (wit/reactor.wit) in the canonical ABI: what the host offers, and the shape in which values cross. In
 * a guest these are imports; natively the fake host defines them. It must not know what the SDK makes of them. */
#ifndef WISTED_HOST_H
#define WISTED_HOST_H

#include <wisted.h>

#ifdef __wasm__
#define WISTED_HOST(interface, function) \
    __attribute__((import_module("wisted:reactor/" interface "@0.1.0"), import_name(function)))
#else
#define WISTED_HOST(interface, function)
#endif

/* Whatever has a pointer in here was allocated for us: give it back to wisted_release_(), unless its size is 0. */

typedef struct host_text {
    char *data;
    size_t size;
} host_text;

typedef struct host_pair {
    host_text name, value;
} host_pair;

typedef struct host_pairs {
    host_pair *items;
    size_t count;
} host_pairs;

/* record address */
typedef struct host_address {
    host_text host;
    uint16_t port;
} host_address;

/* variant close-reason: `text` for lost and peer-not-reading */
typedef struct host_reason {
    uint8_t kind;
    host_text text;
} host_reason;

/* result<_, wait-error>: `reason` for connection-lost */
typedef struct host_wait {
    uint8_t failed;
    struct {
        uint8_t kind;
        host_reason reason;
    } error;
} host_wait;

/* record response */
typedef struct host_response {
    uint16_t status;
    host_pairs headers;
    host_text body;
    host_text url;
} host_response;

/* variant fetch-error */
typedef struct host_fetch_error {
    uint8_t kind;
    union {
        host_text text;
        uint64_t bytes;
        uint32_t count;
    } value;
} host_fetch_error;

/* result<response, fetch-error> */
typedef struct host_page {
    uint8_t failed;
    union {
        host_response response;
        host_fetch_error error;
    } value;
} host_page;

/* option<string> */
typedef struct host_option {
    uint8_t some;
    host_text text;
} host_option;

#ifdef __wasm__
_Static_assert(sizeof(host_address) == 12 && offsetof(host_address, port) == 8, "record address");
_Static_assert(sizeof(host_reason) == 12 && offsetof(host_reason, text) == 4, "variant close-reason");
_Static_assert(sizeof(host_wait) == 20 && offsetof(host_wait, error.reason) == 8, "result<_, wait-error>");
_Static_assert(sizeof(host_response) == 28 && offsetof(host_response, url) == 20, "record response");
_Static_assert(sizeof(host_fetch_error) == 16 && offsetof(host_fetch_error, value) == 8, "variant fetch-error");
_Static_assert(sizeof(host_page) == 40 && offsetof(host_page, value) == 8, "result<response, fetch-error>");
_Static_assert(sizeof(host_option) == 12 && offsetof(host_option, text) == 4, "option<string>");
_Static_assert(sizeof(wisted_pair) == sizeof(host_pair) && sizeof(wisted_bytes) == 8, "what is handed on as it came");
#endif

WISTED_HOST("transport", "write") void wisted_host_write(uint32_t connection, const void *data, size_t size);
WISTED_HOST("transport", "write-many")
void wisted_host_write_many(uint32_t connection, const wisted_bytes *pieces, size_t count);
WISTED_HOST("transport", "lose-connection") void wisted_host_lose_connection(uint32_t connection);
WISTED_HOST("transport", "abort-connection") void wisted_host_abort_connection(uint32_t connection);
WISTED_HOST("transport", "shutdown-write") void wisted_host_shutdown_write(uint32_t connection);
WISTED_HOST("transport", "pause-reading") void wisted_host_pause_reading(uint32_t connection);
WISTED_HOST("transport", "resume-reading") void wisted_host_resume_reading(uint32_t connection);
WISTED_HOST("transport", "peer") void wisted_host_peer(uint32_t connection, host_address *address);
WISTED_HOST("transport", "host") void wisted_host_host(uint32_t connection, host_address *address);
WISTED_HOST("transport", "buffered-bytes") uint64_t wisted_host_buffered_bytes(uint32_t connection);

WISTED_HOST("timers", "call-later") uint32_t wisted_host_call_later(uint32_t delay_ms);
WISTED_HOST("timers", "sleep") void wisted_host_sleep(uint32_t duration_ms, host_wait *result);
WISTED_HOST("timers", "now") uint64_t wisted_host_now(void);

WISTED_HOST("pending", "wait") void wisted_host_wait(uint32_t id, host_wait *result);
WISTED_HOST("pending", "cancel") bool wisted_host_cancel(uint32_t id);

WISTED_HOST("web", "get-page") uint32_t wisted_host_get_page(const char *url, size_t size);
WISTED_HOST("web", "send-request")
uint32_t wisted_host_send_request(const char *method, size_t method_size, const char *url, size_t url_size,
                                  const wisted_pair *headers, size_t header_count, const void *body, size_t body_size,
                                  uint32_t timeout_ms);
WISTED_HOST("web", "take-page") void wisted_host_take_page(uint32_t id, host_page *page);

WISTED_HOST("logging", "log") void wisted_host_log(uint32_t level, const char *message, size_t size);

WISTED_HOST("random", "get-random-bytes") void wisted_host_random(uint32_t length, host_text *bytes);

WISTED_HOST("config", "get") void wisted_host_config_get(const char *key, size_t size, host_option *value);
WISTED_HOST("config", "get-all") void wisted_host_config_all(host_pairs *values);

#endif
