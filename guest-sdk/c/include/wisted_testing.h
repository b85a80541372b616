/**
 * @file wisted_testing.h
 * Fakes for unit tests of guests: native, without WebAssembly, sockets or sleeping. It knows the fake host and no
 * real one.
 *
 * - wisted_fake_start() runs a whole factory. Connect fake peers, send bytes (also one at a time), look at what comes
 *   back.
 * - The time stands still until wisted_fake_advance() puts it forward; waiting and sleeping put it forward at once.
 * - wisted_fake_respond() and wisted_fake_fail() are the web.
 *
 * @code
 * wisted_fake_start(wisted_exported_factory, NULL);
 * wisted_transport peer = wisted_peer_connect();
 * wisted_peer_send_bytewise(peer, "hello");
 * WISTED_CHECK_RECEIVED(peer, "hello");
 * wisted_fake_stop();
 * @endcode
 *
 * There is one fake host in the process. As with the real one, one handler runs at a time; what becomes due meanwhile
 * is delivered when it has returned.
 */
#ifndef WISTED_TESTING_H
#define WISTED_TESTING_H

#include <stdio.h>
#include <stdlib.h>
#include <wisted.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The instance @{ */

/** Forgets everything: time 0, no pages, no connections, nothing pending, an empty log. */
void wisted_fake_reset(void);

/**
 * Starts an instance that serves. Pages, the time and the log stay; connections and what is pending are forgotten.
 * @param config keys and values by turns, ended by NULL; or NULL
 * @return the error of the factory's start, or NULL
 */
const char *wisted_fake_start(const wisted_factory *factory, const char *const *config);

/** Ends the instance in an orderly way: every connection is lost as when the host is stopping, then the factory
 * stops. */
void wisted_fake_stop(void);

/** What the instance leaves to the one that takes its place: what the factory's save_state writes. Borrowed until the
 * next call of this. */
wisted_bytes wisted_fake_save_state(void);

/** Hands over what another instance has saved, as the host does between start and the first connection.
 * @return the error of the factory's restore_state, or NULL */
const char *wisted_fake_restore_state(wisted_bytes state);

/** Runs a program: start, execute, what is pending, stop. @return the first error, or NULL */
const char *wisted_fake_run(const wisted_program *program, const char *const *config);

/** Puts the clock forward and delivers what becomes due, timers and pages, in order of time. */
void wisted_fake_advance(uint32_t duration_ms);

/** From now on every wait and sleep ends at once with this, as when the handler's connection is lost; WISTED_WAITED
 * mends them. */
void wisted_fake_break_waits(wisted_wait_status status);

/** @} @name Peers. A peer is named by the transport that leads to it. @{ */

/** Connects a peer, and runs connection_made. */
wisted_transport wisted_peer_connect(void);

/** Sends text that arrives in one piece. While the guest has paused reading it is kept for it. */
void wisted_peer_send(wisted_transport peer, const char *text);

/** Sends bytes that arrive in one piece. */
void wisted_peer_send_bytes(wisted_transport peer, const void *data, size_t size);

/** Sends text that arrives one byte at a time: a protocol must not depend on where the network cuts. */
void wisted_peer_send_bytewise(wisted_transport peer, const char *text);

/** Half close: this peer will send no more, and runs read_closed. */
void wisted_peer_close(wisted_transport peer);

/** Resets the connection: runs connection_lost with WISTED_LOST. */
void wisted_peer_reset(wisted_transport peer);

/** Takes all that was received, and runs `drained`: a slow peer has caught up. */
void wisted_peer_drain(wisted_transport peer);

/** What has been received and not taken yet, with a NUL after it. Borrowed until the next call of anything. */
wisted_bytes wisted_peer_received(wisted_transport peer);

/** Takes what has been received: it counts as buffered until then. */
void wisted_peer_take(wisted_transport peer);

/** Whether connection_lost has been called. */
bool wisted_peer_is_disconnected(wisted_transport peer);

/** Whether the guest aborted the connection. */
bool wisted_peer_is_aborted(wisted_transport peer);

/** Whether the guest has shut its writing down. */
bool wisted_peer_is_write_shut_down(wisted_transport peer);

/** Whether the guest has paused reading. */
bool wisted_peer_is_reading_paused(wisted_transport peer);

/** @} @name The web. What is not laid down cannot be connected to. @{ */

/** A URL gives this body with status 200 after some time: 0 is after the running handler. */
void wisted_fake_respond(uint32_t delay_ms, const char *url, const char *body);

/** A URL gives an error, with this text or limit where the kind has one. */
void wisted_fake_fail(const char *url, wisted_fetch_kind kind, const char *text, uint64_t limit);

/** The last request as `METHOD URL NAME=VALUE… BODY`; empty when there was none. Borrowed. */
const char *wisted_fake_last_request(void);

/** @} @name The log @{ */

/** The records since the last call, each as `level text` and an LF. Borrowed until the next call. */
const char *wisted_fake_take_log(void);

/** @} @name Checks: a failed one is told and ends the test. @{ */

/** Checks a condition. */
#define WISTED_CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), exit(1)))

/** Checks what a peer has received, and takes it. */
#define WISTED_CHECK_RECEIVED(peer, text) wisted_check_received_(peer, text, __FILE__, __LINE__)

/** Checks a text. */
#define WISTED_CHECK_TEXT(is, text) wisted_check_text_(is, text, __FILE__, __LINE__)

void wisted_check_received_(wisted_transport peer, const char *text, const char *file, int line);
void wisted_check_text_(const char *is, const char *text, const char *file, int line);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
