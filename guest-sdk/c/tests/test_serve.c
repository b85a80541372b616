/* Tests of serving: handlers, their order, the states of connections, and what the fakes do with commands. */
#include <string.h>
#include <wisted_testing.h>

static char events[1024];

static void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t size = strlen(events);
    vsnprintf(events + size, sizeof events - size, format, arguments);
    va_end(arguments);
}

#define CHECK_EVENTS(text) (WISTED_CHECK_TEXT(events, text), events[0] = '\0')

static void made(void *self, wisted_transport transport) {
    (void)self;
    note("made %u\n", transport.id);
    wisted_transport_printf(transport, "hi %s:%u ", wisted_transport_peer(transport).host,
                            wisted_transport_host(transport).port);
}

/* `q` closes, `a` aborts, `p` pauses for a second, `h` shuts down writing, anything else is counted. */
static void resume(void *context) {
    wisted_transport_resume_reading((wisted_transport){(uint32_t)(uintptr_t)context});
}

static void received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    int *count = self;
    note("data %.*s\n", (int)size, (const char *)data);
    switch (data[0]) {
    case 'q':
        wisted_transport_lose_connection(transport);
        wisted_transport_write(transport, "late", 4);
        break;
    case 'a':
        wisted_transport_abort_connection(transport);
        break;
    case 'p':
        wisted_transport_pause_reading(transport);
        wisted_call_later(1000, resume, (void *)(uintptr_t)transport.id);
        break;
    case 'h':
        wisted_transport_shutdown_write(transport);
        break;
    default:
        *count += (int)size;
        wisted_transport_printf(transport, "%d ", *count);
    }
}

static void drained(void *self, wisted_transport transport) {
    (void)self;
    note("drained %u %d\n", transport.id, (int)wisted_transport_buffered_bytes(transport));
}

static void lost(void *self, wisted_transport transport, const wisted_close_reason *reason) {
    wisted_transport_write(transport, "too late", 8);
    note("lost %u %d %s %s\n", transport.id, *(int *)self, wisted_close_kind_name(reason->kind), reason->text);
}

static const char *start(void *context, wisted_pairs config) {
    note("start %s\n", (const char *)context);
    return wisted_config_find(config, "refuse");
}

static void stop(void *context) {
    note("stop %s\n", (const char *)context);
}

static const wisted_factory counting = {
    .protocol = {.connection_made = made, .data_received = received, .drained = drained, .connection_lost = lost},
    .state_size = sizeof(int),
    .context = "x",
    .start = start,
    .stop = stop,
};

static void handlers_are_called_in_order(void) {
    wisted_fake_reset();
    WISTED_CHECK(wisted_fake_start(&counting, NULL) == NULL);
    wisted_transport one = wisted_peer_connect(), two = wisted_peer_connect();
    CHECK_EVENTS("start x\nmade 1\nmade 2\n");
    WISTED_CHECK_RECEIVED(one, "hi 127.0.0.1:8000 ");
    wisted_peer_send(one, "xy");
    wisted_peer_send_bytewise(two, "zw");
    CHECK_EVENTS("data xy\ndata z\ndata w\n");
    WISTED_CHECK_RECEIVED(one, "2 ");
    wisted_peer_drain(two);
    CHECK_EVENTS("drained 2 0\n");
    wisted_peer_send(one, "q");
    WISTED_CHECK(wisted_peer_is_disconnected(one));
    WISTED_CHECK_RECEIVED(one, "");
    wisted_peer_close(two);
    CHECK_EVENTS("data q\nlost 1 2 done \nlost 2 2 done \n");
    wisted_transport three = wisted_peer_connect();
    wisted_fake_stop();
    (void)three;
    CHECK_EVENTS("made 3\nlost 3 0 stopping \nstop x\n");
}

static void commands_are_obeyed(void) {
    wisted_fake_reset();
    wisted_fake_start(&counting, NULL);
    wisted_transport one = wisted_peer_connect(), two = wisted_peer_connect(), three = wisted_peer_connect();
    wisted_peer_send(one, "a");
    WISTED_CHECK(wisted_peer_is_aborted(one) && wisted_peer_is_disconnected(one));
    wisted_peer_send(two, "p");
    WISTED_CHECK(wisted_peer_is_reading_paused(two));
    events[0] = '\0';
    wisted_peer_send(two, "later");
    CHECK_EVENTS("");
    wisted_fake_advance(1000);
    CHECK_EVENTS("data later\n");
    wisted_peer_take(three);
    wisted_peer_send(three, "h");
    wisted_peer_send(three, "more");
    WISTED_CHECK(wisted_peer_is_write_shut_down(three));
    WISTED_CHECK_RECEIVED(three, "");
    wisted_peer_reset(three);
    CHECK_EVENTS("data h\ndata more\nlost 3 4 lost reset by the fake peer\n");
    wisted_fake_stop();
}

static void a_start_may_refuse(void) {
    wisted_fake_reset();
    const char *const config[] = {"refuse", "", NULL};
    WISTED_CHECK(wisted_fake_start(&counting, config) != NULL);
    WISTED_CHECK_TEXT(wisted_errorf("%s %d", "no", 1), "no 1");
    events[0] = '\0';
}

static void *build(void *context, wisted_transport transport) {
    note("build %s %u\n", (const char *)context, transport.id);
    int *state = malloc(sizeof *state);
    *state = 7;
    return state;
}

static void free_state(void *self, wisted_transport transport, const wisted_close_reason *reason) {
    lost(self, transport, reason);
    free(self);
}

static void a_factory_builds_what_connection_lost_frees(void) {
    static const wisted_factory builder = {
        .protocol = {.connection_lost = free_state}, .context = "y", .build_protocol = build};
    wisted_fake_reset();
    wisted_fake_start(&builder, NULL);
    wisted_transport one = wisted_peer_connect();
    wisted_peer_send(one, "dropped");
    wisted_peer_drain(one);
    wisted_peer_close(one);
    CHECK_EVENTS("build y 1\nlost 1 7 done \n");
    wisted_fake_stop();
}

static void context_is_self(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    wisted_bytes pieces[] = {{(const uint8_t *)self, 1}, {data, size}};
    wisted_transport_write_many(transport, pieces, 2);
}

static void without_states_self_is_the_context(void) {
    static const wisted_factory shared = {.protocol = {.data_received = context_is_self}, .context = "z"};
    wisted_fake_reset();
    wisted_fake_start(&shared, NULL);
    wisted_transport one = wisted_peer_connect();
    wisted_peer_send(one, "!");
    WISTED_CHECK_RECEIVED(one, "z!");
    wisted_fake_stop();
}

static uint32_t visits;

static void save(void *context, wisted_state *state) {
    (void)context;
    wisted_state_write(state, "1 ", 2);
    wisted_state_write(state, NULL, 0);
    for (uint32_t i = 0; i < visits; i++)
        wisted_state_write(state, "visit ", 6);
}

static const char *restore(void *context, const uint8_t *data, size_t size) {
    note("restore %s %.*s\n", (const char *)context, (int)size, (const char *)data);
    return size < 2 || data[0] != '1' ? "this is of another version" : NULL;
}

static void state_is_handed_over(void) {
    static const wisted_factory counter = {.context = "w", .save_state = save, .restore_state = restore};
    wisted_fake_reset();
    wisted_fake_start(&counter, NULL);
    visits = 3;
    wisted_bytes state = wisted_fake_save_state();
    WISTED_CHECK(state.size == 20 && memcmp(state.data, "1 visit visit visit ", 20) == 0);
    WISTED_CHECK(wisted_fake_restore_state(state) == NULL);
    WISTED_CHECK_TEXT(wisted_fake_restore_state((wisted_bytes){0}), "this is of another version");
    CHECK_EVENTS("restore w 1 visit visit visit \nrestore w \n");
    wisted_fake_stop();
}

int main(void) {
    handlers_are_called_in_order();
    commands_are_obeyed();
    a_start_may_refuse();
    a_factory_builds_what_connection_lost_frees();
    without_states_self_is_the_context();
    state_is_handed_over();
    wisted_fake_reset();
    return 0;
}
