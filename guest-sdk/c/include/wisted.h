/**
 * @file wisted.h
 * Protocols and programs for the Wisted reactor, in C: everything that a guest calls and is called by. It knows nothing
 * of WebAssembly: natively the same code runs against the fakes of wisted_testing.h.
 *
 * A server is a table of handlers. This is all of an echo server:
 *
 * @code
 * #include <wisted.h>
 *
 * static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
 *     (void)self;
 *     wisted_transport_write(transport, data, size);
 * }
 *
 * static const wisted_factory echo = {.protocol = {.data_received = data_received}};
 * WISTED_EXPORT_FACTORY(echo)
 * @endcode
 *
 * Rules that hold everywhere:
 *
 * - The host runs one handler of an instance at a time, also while a handler waits or sleeps: what arrives meanwhile is
 *   delivered after it has returned. No function here calls a handler. Only wisted_wait() calls a callback.
 * - Times are milliseconds, sizes are bytes.
 * - What a handler or a callback is given is borrowed: it is freed when the handler returns. What a function returns as
 *   owned is freed by the caller, with the function that its comment names.
 * - Texts given by the host are UTF-8 and are followed by a NUL that their size does not count. They may have NULs
 *   inside.
 * - Out of memory is a trap: the host ends the connection, or with isolation `service` the instance.
 */
#ifndef WISTED_H
#define WISTED_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WISTED_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define WISTED_PRINTF(text, first)
#endif

/** @name Pieces of memory @{ */

/** Bytes that belong to somebody else. */
typedef struct wisted_bytes {
    const uint8_t *data;
    size_t size;
} wisted_bytes;

/** Text that belongs to somebody else. */
typedef struct wisted_text {
    const char *data;
    size_t size;
} wisted_text;

/** The text up to the NUL. */
wisted_text wisted_text_of(const char *text);

/** A name with a value: an HTTP header, or a configuration key. */
typedef struct wisted_pair {
    wisted_text name;
    wisted_text value;
} wisted_pair;

/** Several names with their values. */
typedef struct wisted_pairs {
    const wisted_pair *items;
    size_t count;
} wisted_pairs;

/** @} @name Connections @{ */

/**
 * A handle on one connection: Twisted's ITCPTransport. It is a number: copy it and keep it, for instance so that one
 * connection can write to another. On a connection that is lost every function does nothing. Nothing here blocks, fails
 * or calls a handler; what happened is told later, through connection_lost at the latest.
 */
typedef struct wisted_transport {
    /** Of this connection within the instance: 1 for the first, and so on. */
    uint32_t id;
} wisted_transport;

/** One end of a connection. */
typedef struct wisted_address {
    /** An IP address without brackets or port, such as `127.0.0.1` or `::1`. */
    char host[64];
    /** The TCP port. */
    uint16_t port;
} wisted_address;

/** Why a connection ended, by its kind. */
typedef enum wisted_close_kind {
    /** In an orderly way, by either side; all that was written had been handed to the operating system. */
    WISTED_DONE,
    /** The operating system reported an error, such as a reset by the peer. */
    WISTED_LOST,
    /** This guest called wisted_transport_abort_connection(). */
    WISTED_ABORTED,
    /** Too much waited for the peer, or it waited for too long. */
    WISTED_PEER_NOT_READING,
    /** The host is stopping, and the time that connections were given to finish is over. */
    WISTED_STOPPING,
} wisted_close_kind;

/** Why a connection ended. */
typedef struct wisted_close_reason {
    wisted_close_kind kind;
    /** For people: of WISTED_LOST the error, of WISTED_PEER_NOT_READING the limit; otherwise empty. */
    const char *text;
} wisted_close_reason;

/** The name of a kind as the contract spells it, such as `peer-not-reading`. Never freed. */
const char *wisted_close_kind_name(wisted_close_kind kind);

/** Queues bytes for the peer, in order. More than the service's `write-buffer-max-bytes` in one handler traps:
 * produce in portions and go on in `drained`. */
void wisted_transport_write(wisted_transport transport, const void *data, size_t size);

/** Queues several pieces as if each had been written in turn; one call costs less than many. */
void wisted_transport_write_many(wisted_transport transport, const wisted_bytes *pieces, size_t count);

/** Writes text as printf would. */
void wisted_transport_printf(wisted_transport transport, const char *format, ...) WISTED_PRINTF(2, 3);

/** Closes the connection once everything written so far is sent. No more data is received, later writes are ignored,
 * and connection_lost follows. */
void wisted_transport_lose_connection(wisted_transport transport);

/** Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave. connection_lost with
 * WISTED_ABORTED follows. */
void wisted_transport_abort_connection(wisted_transport transport);

/** Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and goes on
 * receiving. Later writes are ignored. */
void wisted_transport_shutdown_write(wisted_transport transport);

/** Stops data_received until wisted_transport_resume_reading(). The peer is slowed down, nothing is lost. */
void wisted_transport_pause_reading(wisted_transport transport);

/** Undoes wisted_transport_pause_reading(). */
void wisted_transport_resume_reading(wisted_transport transport);

/** The address of the peer. */
wisted_address wisted_transport_peer(wisted_transport transport);

/** The address on this side that the peer connected to. */
wisted_address wisted_transport_host(wisted_transport transport);

/** How many bytes were written and are not yet with the operating system. */
uint64_t wisted_transport_buffered_bytes(wisted_transport transport);

/** @} @name What a server implements @{ */

/**
 * What happens on one connection: Twisted's IProtocol. Every handler may be NULL; data_received then drops the data. A
 * handler may take long only by waiting; one that computes for too long is ended together with its connection.
 */
typedef struct wisted_protocol {
    /** The peer has connected. Called once, before everything else: the place for a greeting. */
    void (*connection_made)(void *self, wisted_transport transport);

    /** Bytes arrived: in order, never none, cut wherever the network cut them (see the framing below). */
    void (*data_received)(void *self, wisted_transport transport, const uint8_t *data, size_t size);

    /** The peer will send no more (TCP FIN); writing still works. NULL closes as lose_connection does. */
    void (*read_closed)(void *self, wisted_transport transport);

    /** The peer had been slow and has caught up: time to write more, for protocols that produce much. */
    void (*drained)(void *self, wisted_transport transport);

    /** The connection is gone. Called once, after everything else about it. Free here what build_protocol made, and
     * cancel the timers and pages whose context is gone now. */
    void (*connection_lost)(void *self, wisted_transport transport, const wisted_close_reason *reason);
} wisted_protocol;

/** What save_state writes to. */
typedef struct wisted_state wisted_state;

/**
 * Builds the state of each connection and owns what they share: Twisted's ServerFactory. Each instance of the guest has
 * one. With isolation `connection` (the default) every connection has an instance of its own.
 *
 * What the handlers get as `self` is what build_protocol returns; without it `state_size` zeroed bytes, which are freed
 * after connection_lost; without either `context`.
 */
typedef struct wisted_factory {
    wisted_protocol protocol;

    /** The size of a connection's state, when there is no build_protocol. */
    size_t state_size;

    /** What is shared: given to the functions below. */
    void *context;

    /** Makes the state of a connection, which connection_lost frees. */
    void *(*build_protocol)(void *context, wisted_transport transport);

    /** The instance begins. Called once, before everything else: the place to read the configuration.
     * @return NULL, or an error text, which is logged and refuses the connection, or with isolation `service` the
     * service. It must stay until the next call into the guest, as a literal and wisted_errorf()'s do. */
    const char *(*start)(void *context, wisted_pairs config);

    /** The instance ends in an orderly way. Called once, after everything else; not after a trap. */
    void (*stop)(void *context);

    /** Only with WISTED_EXPORT_STATEFUL_FACTORY, which needs this and restore_state: writes what the instance that takes
     * this one's place is to know, with wisted_state_write(). Called once that one has started; this one goes on serving
     * its open connections, but what changes from then on is not handed over. Say in it which version it is: another
     * build will read it. */
    void (*save_state)(void *context, wisted_state *state);

    /** What the instance before has saved; borrowed, and perhaps empty. Called after start and before the first
     * connection; not where there is no old instance.
     * @return NULL, or an error text like start's: the old instance then stays in its place. */
    const char *(*restore_state)(void *context, const uint8_t *data, size_t size);
} wisted_factory;

/** Appends bytes to the state that save_state writes, which may have 16 MiB. They are copied. */
void wisted_state_write(wisted_state *state, const void *data, size_t size);

/** A program: what runs without sockets. */
typedef struct wisted_program {
    /** Given to the functions below. */
    void *context;

    /** The instance begins; an error text ends the program. May be NULL. */
    const char *(*start)(void *context, wisted_pairs config);

    /** Called once. The host goes on until this has returned and nothing is pending, and then exits: with 0 for NULL,
     * or with 1 and the error text that was returned. Must be there. */
    const char *(*execute)(void *context);

    /** The program ends in an orderly way. May be NULL. */
    void (*stop)(void *context);
} wisted_program;

/** An error text made as printf makes it, cut at 1,023 bytes; it lives until the next call of this function. */
const char *wisted_errorf(const char *format, ...) WISTED_PRINTF(1, 2);

/** The guest's own factory, for its tests. Defined by WISTED_EXPORT_FACTORY. */
extern const wisted_factory *const wisted_exported_factory;

/** The guest's own program, for its tests. Defined by WISTED_EXPORT_PROGRAM. */
extern const wisted_program *const wisted_exported_program;

/** Makes a `wisted_factory` with static storage the guest. To be used once, at file scope. */
#define WISTED_EXPORT_FACTORY(factory) \
    const wisted_factory *const wisted_exported_factory = &(factory); \
    WISTED_LINK_(wisted_link_factory_)

/** The same for one that hands its state to the instance that takes its place, when there is a new build or it has
 * served enough: it has save_state and restore_state. For isolation `service`. */
#define WISTED_EXPORT_STATEFUL_FACTORY(factory) \
    const wisted_factory *const wisted_exported_factory = &(factory); \
    WISTED_LINK_(wisted_link_stateful_factory_)

/** Makes a `wisted_program` with static storage the guest. To be used once, at file scope. */
#define WISTED_EXPORT_PROGRAM(program) \
    const wisted_program *const wisted_exported_program = &(program); \
    WISTED_LINK_(wisted_link_program_)

/* The exports are in the library, and a linker takes from a library only what is named. */
#ifdef __wasm__
void wisted_link_factory_(void);
void wisted_link_stateful_factory_(void);
void wisted_link_program_(void);
#define WISTED_LINK_(exports) __attribute__((used)) static void (*const wisted_link_)(void) = exports;
#else
#define WISTED_LINK_(exports)
#endif

/** @} @name Time, and what is pending @{ */

/** A timer or a page that was asked for. 0 is none. */
typedef uint32_t wisted_pending;

/** How a wait ended. Anything but WISTED_WAITED: return from the handler soon. */
typedef enum wisted_wait_status {
    /** What was waited for is there. */
    WISTED_WAITED,
    /** The connection whose handler is running was lost; connection_lost comes next, and every further wait in this
     * handler ends at once. */
    WISTED_WAIT_CONNECTION_LOST,
    /** There is nothing to wait for: it was cancelled or has been delivered. */
    WISTED_WAIT_UNKNOWN_ID,
    /** The host is stopping. */
    WISTED_WAIT_STOPPING,
} wisted_wait_status;

/** What failed in the last wait or sleep that did, for people. Lives until the next that does; cut at 255 bytes. */
const char *wisted_wait_error_text(void);

/** Called when a timer has run out. */
typedef void wisted_timer_callback(void *context);

/**
 * Calls `callback` after `delay_ms`, when the running handler has returned: Twisted's reactor.callLater. Traps when
 * more than the service's `pending-max` are pending.
 * @param callback may be NULL, for who only waits.
 * @param context given to the callback; it must live until then, or until the timer is cancelled.
 */
wisted_pending wisted_call_later(uint32_t delay_ms, wisted_timer_callback *callback, void *context);

/** Gives up a timer or a page: its callback will not be called, so that its context may be freed.
 * @return whether there was something to give up. */
bool wisted_cancel(wisted_pending id);

/** Whether the outcome of a timer or a page is still to come. */
bool wisted_is_pending(wisted_pending id);

/** Suspends the running handler until `id` has its outcome, and calls its callback before it returns. The reactor
 * serves everyone else meanwhile, and what was written so far goes out. */
wisted_wait_status wisted_wait(wisted_pending id);

/** Suspends the running handler for a time. */
wisted_wait_status wisted_sleep(uint32_t duration_ms);

/** Milliseconds since an unspecified moment; never goes back. */
uint64_t wisted_now(void);

/** @} @name Web pages @{ */

/** What a request ended with; the error kinds are the contract's. */
typedef enum wisted_fetch_kind {
    /** There is a response, of any status: a 404 is a page, not an error. */
    WISTED_FETCHED,
    /** The operator has not granted this host; the text says what to grant. */
    WISTED_FETCH_DENIED,
    /** The URL, the method or a header is malformed, or the scheme is not `http` or `https`. */
    WISTED_FETCH_INVALID_REQUEST,
    /** The name could not be resolved. */
    WISTED_FETCH_DNS,
    /** No connection could be made, or it broke. */
    WISTED_FETCH_CONNECT,
    /** The certificate could not be verified, or the TLS handshake failed. */
    WISTED_FETCH_TLS,
    /** The peer does not speak HTTP properly. */
    WISTED_FETCH_PROTOCOL,
    /** It took longer than it may. */
    WISTED_FETCH_TIMEOUT,
    /** The body is longer than `limit` bytes, the service's `page-max-bytes`. */
    WISTED_FETCH_TOO_LARGE,
    /** More redirects than `limit`. */
    WISTED_FETCH_TOO_MANY_REDIRECTS,
    /** More requests wait than the `limit` that this service may have; try later. */
    WISTED_FETCH_TOO_MANY_REQUESTS,
} wisted_fetch_kind;

/** The outcome of a request. */
typedef struct wisted_page {
    wisted_fetch_kind kind;
    /** Of an error: the text, for people; otherwise empty. */
    const char *error;
    /** Of the kinds that name a limit. */
    uint64_t limit;
    /** HTTP status, such as 200; 0 for an error, which has none of the following either. */
    uint16_t status;
    wisted_pairs headers;
    wisted_bytes body;
    /** Where the page came from, after redirects. */
    const char *url;
} wisted_page;

/** A request. What it points to need only live until the call returns. */
typedef struct wisted_request {
    /** NULL for GET; upper case by convention. */
    const char *method;
    /** Absolute, `http` or `https`. */
    const char *url;
    wisted_pairs headers;
    wisted_bytes body;
    /** How long the whole request may take, redirects included. 0: the service's limit, which is also the most. */
    uint32_t timeout_ms;
} wisted_request;

/** Called when a page is there, or it is certain that it never will be. The page is borrowed. */
typedef void wisted_page_callback(void *context, const wisted_page *page);

/** The name of a kind as the contract spells it, such as `too-large`; of WISTED_FETCHED `ok`. Never freed. */
const char *wisted_fetch_kind_name(wisted_fetch_kind kind);

/** Writes an error in words, as snprintf does. @return `buffer` */
const char *wisted_page_error_text(const wisted_page *page, char *buffer, size_t size);

/**
 * Fetches a URL with GET and returns at once: Twisted's getPage. Traps when more than the service's `pending-max` are
 * pending.
 * @param callback may be NULL, for who waits with wisted_wait_page().
 * @param context given to the callback; it must live until then, or until the page is cancelled.
 */
wisted_pending wisted_get_page(const char *url, wisted_page_callback *callback, void *context);

/** Sends any request and returns at once; like wisted_get_page() in everything else. */
wisted_pending wisted_send_request(const wisted_request *request, wisted_page_callback *callback, void *context);

/**
 * Suspends the running handler until the page is there, instead of having its callback called.
 * @param page set to the page, owned: wisted_page_free(). NULL unless WISTED_WAITED is returned.
 */
wisted_wait_status wisted_wait_page(wisted_pending id, wisted_page **page);

/** The first header of this name, whatever the case of its letters. @return borrowed from the page; NULL for none */
const char *wisted_page_header(const wisted_page *page, const char *name);

/** Frees a page from wisted_wait_page(); NULL is no page. */
void wisted_page_free(wisted_page *page);

/** @} @name Framing: whole lines and packets out of bytes that are cut anywhere @{ */

/** The longest line, unless another limit is given. */
#define WISTED_LINE_MAX_BYTES 16384
/** The longest netstring or int32 frame, unless another limit is given. */
#define WISTED_FRAME_MAX_BYTES 99999

/**
 * What was received and is not taken yet. All zeros is empty. Push what arrives, then take frames until there is none:
 * the kind of framing may change between two frames. At most one frame and what was pushed last is kept.
 */
typedef struct wisted_frames {
    uint8_t *data;
    size_t start, end, capacity;
    /** How far a line end was looked for already. */
    size_t searched;
} wisted_frames;

/** Whether there is a frame. */
typedef enum wisted_frame_status {
    /** There is one. */
    WISTED_FRAME,
    /** More has to come first. */
    WISTED_FRAME_INCOMPLETE,
    /** It is longer than allowed, or malformed. There is no way on: lose the connection. */
    WISTED_FRAME_INVALID,
} wisted_frame_status;

/** Adds what has arrived. What was taken before is invalid from here on. */
void wisted_frames_push(wisted_frames *frames, const void *data, size_t size);

/** Takes a line that ends with LF, without it and without a CR before it.
 * @param max_bytes the most that a line may have, its end not counted
 * @param line borrowed from `frames` until the next push */
wisted_frame_status wisted_frames_line(wisted_frames *frames, size_t max_bytes, wisted_bytes *line);

/** Takes a netstring: `5:hello,`. */
wisted_frame_status wisted_frames_netstring(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame);

/** Takes a frame whose length comes first, in 4 bytes, big endian. */
wisted_frame_status wisted_frames_int32(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame);

/** Takes whatever is there, at most `max_bytes`: for raw data between frames. */
wisted_bytes wisted_frames_raw(wisted_frames *frames, size_t max_bytes);

/** Frees the buffer; `frames` is empty again. To be called in connection_lost. */
void wisted_frames_free(wisted_frames *frames);

/** Writes a netstring. */
void wisted_transport_write_netstring(wisted_transport transport, const void *data, size_t size);

/** Writes a frame whose length comes first, in 4 bytes, big endian. */
void wisted_transport_write_int32(wisted_transport transport, const void *data, size_t size);

/** @} @name Logging, configuration, randomness @{ */

/** How much a log record matters. */
typedef enum wisted_level {
    WISTED_TRACE,
    WISTED_DEBUG,
    WISTED_INFO,
    WISTED_WARN,
    WISTED_ERROR,
} wisted_level;

/** Writes a log record as printf would. The host adds the names of the service and the guest and the connection whose
 * handler is running. More than 8 KiB are cut. */
void wisted_log(wisted_level level, const char *format, ...) WISTED_PRINTF(2, 3);

/** The same, with the arguments as a list. */
void wisted_vlog(wisted_level level, const char *format, va_list arguments) WISTED_PRINTF(2, 0);

/** Writes a log record with a text as it is. */
void wisted_log_text(wisted_level level, wisted_text message);

/** The operator's value for a key (`--config KEY=VALUE`), at any time.
 * @return owned: free(). NULL when there is none. */
char *wisted_config_get(const char *key);

/** The value of a key among these, which are such as `start` is given. @return borrowed from `config`; NULL for none */
const char *wisted_config_find(wisted_pairs config, const char *key);

/** All of the operator's values, sorted by key. @return owned: wisted_config_free() */
wisted_pairs wisted_config_all(void);

/** Frees what wisted_config_all() returned. */
void wisted_config_free(wisted_pairs config);

/** Fills memory with randomness from the operating system, fit for keys. */
void wisted_random(void *buffer, size_t size);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
