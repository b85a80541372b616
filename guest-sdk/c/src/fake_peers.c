/* A factory with fake peers: calls handlers as the host does, in its order. Knows what the fake host recorded. */
#include "fake_host.h"

#include <string.h>
#include <wisted_testing.h>

static void lose(uint32_t id, wisted_close_kind kind, const char *text) {
    fake_connection *connection = fake_connection_of(id);
    if (connection->gone)
        return;
    connection->gone = true;
    char copy[64] = "";
    strncat(copy, text, sizeof copy - 1);
    host_reason reason = {(uint8_t)kind, {copy, strlen(copy)}};
    wisted_serve_lost_(id, &reason);
}

/* One step of what follows from the guest's commands. */
static bool step(uint32_t id) {
    fake_connection *connection = fake_connection_of(id);
    if (connection->gone)
        return false;
    if (connection->aborted || connection->losing) {
        lose(id, connection->aborted ? WISTED_ABORTED : WISTED_DONE, "");
        return true;
    }
    if (connection->reading_paused || connection->inbox.size == 0)
        return false;
    fake_bytes arrived = connection->inbox;
    connection->inbox = (fake_bytes){0};
    wisted_serve_data_(id, (const uint8_t *)arrived.data, arrived.size);
    fake_clear(&arrived);
    return true;
}

/* After a handler: delivers what waits, until nothing does. */
static void settle(void) {
    bool again = true;
    while (again) {
        again = false;
        fake_deliver_until(wisted_host_now());
        for (uint32_t id = 1; id <= fake_connection_count() && !again; id++)
            again = step(id);
    }
}

const char *wisted_fake_start(const wisted_factory *factory, const char *const *values) {
    fake_forget_connections();
    fake_configure(values);
    host_pairs config = fake_config();
    const char *error =
        wisted_serve_start_(factory, (wisted_pairs){(const wisted_pair *)config.items, config.count});
    wisted_release_pairs_(config);
    if (error == NULL)
        settle();
    return error;
}

void wisted_fake_stop(void) {
    for (uint32_t id = 1; id <= fake_connection_count(); id++)
        lose(id, WISTED_STOPPING, "");
    wisted_serve_stop_();
    fake_forget_connections();
}

wisted_bytes wisted_fake_save_state(void) {
    const wisted_state *state = wisted_serve_save_();
    return (wisted_bytes){state->data, state->size};
}

const char *wisted_fake_restore_state(wisted_bytes state) {
    return wisted_serve_restore_(state.data, state.size);
}

const char *wisted_fake_run(const wisted_program *program, const char *const *values) {
    fake_forget_connections();
    fake_configure(values);
    host_pairs config = fake_config();
    const char *error = NULL;
    if (program->start != NULL)
        error = program->start(program->context, (wisted_pairs){(const wisted_pair *)config.items, config.count});
    wisted_release_pairs_(config);
    if (error == NULL)
        error = program->execute(program->context);
    if (error == NULL)
        fake_deliver_all();
    if (error == NULL && program->stop != NULL)
        program->stop(program->context);
    return error;
}

void wisted_fake_advance(uint32_t duration_ms) {
    fake_deliver_until(wisted_host_now() + duration_ms);
    settle();
}

wisted_transport wisted_peer_connect(void) {
    uint32_t id = fake_connect();
    wisted_serve_made_(id);
    settle();
    return (wisted_transport){id};
}

void wisted_peer_send(wisted_transport peer, const char *text) {
    wisted_peer_send_bytes(peer, text, strlen(text));
}

void wisted_peer_send_bytes(wisted_transport peer, const void *data, size_t size) {
    fake_append(&fake_connection_of(peer.id)->inbox, data, size);
    settle();
}

void wisted_peer_send_bytewise(wisted_transport peer, const char *text) {
    for (; *text != '\0'; text++)
        wisted_peer_send_bytes(peer, text, 1);
}

void wisted_peer_close(wisted_transport peer) {
    if (!fake_connection_of(peer.id)->gone) {
        wisted_serve_read_closed_(peer.id);
        settle();
    }
}

void wisted_peer_reset(wisted_transport peer) {
    lose(peer.id, WISTED_LOST, "reset by the fake peer");
    settle();
}

void wisted_peer_drain(wisted_transport peer) {
    wisted_peer_take(peer);
    if (!fake_connection_of(peer.id)->gone) {
        wisted_serve_drained_(peer.id);
        settle();
    }
}

wisted_bytes wisted_peer_received(wisted_transport peer) {
    const fake_bytes *written = &fake_connection_of(peer.id)->written;
    return (wisted_bytes){(const uint8_t *)(written->data != NULL ? written->data : ""), written->size};
}

void wisted_peer_take(wisted_transport peer) {
    fake_clear(&fake_connection_of(peer.id)->written);
}

bool wisted_peer_is_disconnected(wisted_transport peer) {
    return fake_connection_of(peer.id)->gone;
}

bool wisted_peer_is_aborted(wisted_transport peer) {
    return fake_connection_of(peer.id)->aborted;
}

bool wisted_peer_is_write_shut_down(wisted_transport peer) {
    return fake_connection_of(peer.id)->write_shut_down;
}

bool wisted_peer_is_reading_paused(wisted_transport peer) {
    return fake_connection_of(peer.id)->reading_paused;
}

void wisted_check_received_(wisted_transport peer, const char *text, const char *file, int line) {
    wisted_bytes received = wisted_peer_received(peer);
    wisted_check_text_((const char *)received.data, text, file, line);
    wisted_peer_take(peer);
}

void wisted_check_text_(const char *is, const char *text, const char *file, int line) {
    if (strcmp(is, text) == 0)
        return;
    fprintf(stderr, "%s:%d: it is\n%s\nand should be\n%s\n", file, line, is, text);
    exit(1);
}
