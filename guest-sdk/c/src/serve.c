/* One instance's factory and the states of its connections: calls the guest's handlers, knows nothing of where calls
 * come from. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static const wisted_factory *factory;
static wisted_table states;

static bool has_states(void) {
    return factory->build_protocol != NULL || factory->state_size != 0;
}

/* What a connection's handlers get as `self`. */
static void *state_of(uint32_t connection) {
    if (!has_states())
        return factory->context;
    wisted_entry *entry = wisted_table_find_(&states, connection);
    return entry != NULL ? entry->value : NULL;
}

const char *wisted_serve_start_(const wisted_factory *started, wisted_pairs config) {
    factory = started;
    wisted_table_clear_(&states);
    return factory->start != NULL ? factory->start(factory->context, config) : NULL;
}

void wisted_serve_stop_(void) {
    if (factory->stop != NULL)
        factory->stop(factory->context);
}

void wisted_state_write(wisted_state *state, const void *data, size_t size) {
    if (size == 0)
        return;
    if (size > state->capacity - state->size) {
        size_t doubled = 2 * state->capacity, least = state->size + size;
        state->capacity = doubled > least ? doubled : least;
        state->data = wisted_reallocate_(state->data, state->capacity);
    }
    memcpy(state->data + state->size, data, size);
    state->size += size;
}

const wisted_state *wisted_serve_save_(void) {
    static wisted_state saved;
    free(saved.data);
    saved = (wisted_state){0};
    factory->save_state(factory->context, &saved);
    return &saved;
}

const char *wisted_serve_restore_(const uint8_t *data, size_t size) {
    return factory->restore_state(factory->context, data, size);
}

void wisted_serve_made_(uint32_t connection) {
    wisted_transport transport = {connection};
    void *state = factory->context;
    if (factory->build_protocol != NULL) {
        state = factory->build_protocol(factory->context, transport);
    } else if (factory->state_size != 0) {
        state = wisted_allocate_(factory->state_size);
        memset(state, 0, factory->state_size);
    }
    if (has_states())
        wisted_table_insert_(&states, (wisted_entry){.id = connection, .value = state});
    if (factory->protocol.connection_made != NULL)
        factory->protocol.connection_made(state, transport);
}

void wisted_serve_data_(uint32_t connection, const uint8_t *data, size_t size) {
    if (factory->protocol.data_received != NULL)
        factory->protocol.data_received(state_of(connection), (wisted_transport){connection}, data, size);
}

void wisted_serve_read_closed_(uint32_t connection) {
    if (factory->protocol.read_closed != NULL)
        factory->protocol.read_closed(state_of(connection), (wisted_transport){connection});
    else
        wisted_host_lose_connection(connection);
}

void wisted_serve_drained_(uint32_t connection) {
    if (factory->protocol.drained != NULL)
        factory->protocol.drained(state_of(connection), (wisted_transport){connection});
}

void wisted_serve_lost_(uint32_t connection, const host_reason *reason) {
    if (factory->protocol.connection_lost != NULL) {
        bool has_text = reason->kind == WISTED_LOST || reason->kind == WISTED_PEER_NOT_READING;
        wisted_close_reason told = {(wisted_close_kind)reason->kind, has_text ? reason->text.data : ""};
        factory->protocol.connection_lost(state_of(connection), (wisted_transport){connection}, &told);
    }
    if (!has_states())
        return;
    void *state = wisted_table_take_(&states, connection).value;
    if (factory->build_protocol == NULL)
        free(state);
}
