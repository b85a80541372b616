/* The conformance guest: a command a line, as tests/conformance/PROTOCOL.md says. It knows nothing of the suite. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wisted.h>

typedef struct peer {
    wisted_transport transport;
    wisted_frames frames;
    uint32_t raw_left; /* Bytes to be sent back as they are. */
    wisted_frame_status (*frame)(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame);
    void (*answer)(wisted_transport transport, const void *data, size_t size);
    bool tells_drained;
} peer;

/* What a successor takes over; NULL for nothing. */
static char *kept;

#define SAY(...) wisted_transport_printf(me->transport, __VA_ARGS__)

static void *allocated(size_t size) {
    void *memory = malloc(size + 1);
    if (memory == NULL)
        abort();
    return memory;
}

/* Callbacks. With isolation `connection` the instance ends before one could belong to a connection that is gone. */
static void resume(void *context) {
    peer *me = context;
    wisted_transport_resume_reading(me->transport);
    SAY("resumed\n");
}

typedef struct timer {
    peer *me;
    char name[];
} timer;

static void fire(void *context) {
    timer *fired = context;
    wisted_transport_printf(fired->me->transport, "later %s\n", fired->name);
    free(fired);
}

static void page_received(void *context, const wisted_page *page) {
    peer *me = context;
    if (page->kind == WISTED_FETCHED)
        SAY("page %d %zu\n", page->status, page->body.size);
    else
        SAY("page error %s\n", wisted_fetch_kind_name(page->kind));
}

/* Commands of several lines. */
static void fetch(peer *me, char *urls, bool waits) {
    wisted_pending pages[64];
    size_t count = 0;
    for (char *url = strtok(urls, " "); url != NULL && count < 64; url = strtok(NULL, " "))
        pages[count++] = wisted_get_page(url, page_received, me);
    for (size_t i = 0; waits && i < count; i++)
        wisted_wait(pages[i]);
}

static void post(peer *me, char *url, const char *body) {
    const wisted_pair header = {wisted_text_of("x-wisted"), wisted_text_of("1")};
    wisted_request request = {"POST", url, {&header, 1}, {(const uint8_t *)body, strlen(body)}, 0};
    wisted_send_request(&request, page_received, me);
}

static void many(peer *me, uint32_t count) {
    enum { DIGITS = 12 };
    char *texts = allocated((size_t)count * DIGITS);
    wisted_bytes *pieces = allocated(count * sizeof *pieces);
    for (uint32_t i = 0; i < count; i++) {
        char *text = texts + (size_t)i * DIGITS;
        pieces[i] = (wisted_bytes){(uint8_t *)text, (size_t)snprintf(text, DIGITS, "%" PRIu32 "\n", i)};
    }
    wisted_transport_write_many(me->transport, pieces, count);
    free(texts);
    free(pieces);
}

static void flood(peer *me, uint32_t size) {
    static uint8_t piece[65536];
    memset(piece, 'x', sizeof piece);
    for (uint32_t sent; size != 0; size -= sent) {
        sent = size < sizeof piece ? size : sizeof piece;
        wisted_transport_write(me->transport, piece, sent);
    }
    me->tells_drained = true;
}

static void say_random(peer *me, uint32_t size) {
    uint8_t *bytes = allocated(size);
    char *hex = allocated(2 * (size_t)size + 1);
    wisted_random(bytes, size);
    for (uint32_t i = 0; i < size; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    hex[2 * (size_t)size] = '\n';
    wisted_transport_write(me->transport, hex, 2 * (size_t)size + 1);
    free(bytes);
    free(hex);
}

static void say_config(peer *me, const char *key) {
    char *value = wisted_config_get(key);
    SAY(value != NULL ? "config %s\n" : "config\n", value);
    free(value);
}

static void say_address(peer *me, const char *name, wisted_address address) {
    SAY("%s %s %d\n", name, address.host, address.port);
}

static void say_if(peer *me, wisted_wait_status status, const char *text) {
    if (status == WISTED_WAITED)
        SAY("%s", text);
}

static void call_later(peer *me, uint32_t delay_ms, const char *name) {
    timer *made = allocated(sizeof *made + strlen(name));
    made->me = me;
    strcpy(made->name, name);
    wisted_call_later(delay_ms, fire, made);
}

static void cancel(peer *me, uint32_t delay_ms) {
    wisted_pending id = wisted_call_later(delay_ms, resume, me);
    for (int i = 0; i < 2; i++)
        SAY("cancelled %s\n", wisted_cancel(id) ? "true" : "false");
}

static void keep(const char *text, size_t size) {
    free(kept);
    kept = NULL;
    if (size != 0) {
        kept = allocated(size);
        memcpy(kept, text, size);
        kept[size] = '\0';
    }
}

static void write_log(peer *me, const char *level, const char *text) {
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error"};
    for (int i = 0; i < 5; i++)
        if (strcmp(level, levels[i]) == 0) {
            wisted_log((wisted_level)i, "%s", text);
            SAY("logged\n");
            return;
        }
    SAY("error no such level: %s\n", level);
}

/* Runs one command; `rest` is what follows its name. Returns false for a name or arguments that are none. */
static bool run(peer *me, const char *name, char *rest) {
    char *end;
    uint32_t number = (uint32_t)strtoul(rest, &end, 10);
    bool has_number = end != rest && (*end == '\0' || *end == ' ') && *rest != '-';
    char *word_end = strchr(rest, ' ');
    const char *second = word_end != NULL ? word_end + 1 : "";
#define IS(command) (strcmp(name, command) == 0)
    if (IS("line"))
        SAY("%s\n", rest);
    else if (IS("lose"))
        SAY("bye\n"), wisted_transport_lose_connection(me->transport);
    else if (IS("abort"))
        wisted_transport_abort_connection(me->transport);
    else if (IS("shutdown"))
        SAY("half\n"), wisted_transport_shutdown_write(me->transport);
    else if (IS("fetch") || IS("fetch-wait"))
        fetch(me, rest, IS("fetch-wait"));
    else if (IS("buffered"))
        SAY("buffered %" PRIu64 "\n", wisted_transport_buffered_bytes(me->transport));
    else if (IS("peer"))
        say_address(me, "peer", wisted_transport_peer(me->transport));
    else if (IS("host"))
        say_address(me, "host", wisted_transport_host(me->transport));
    else if (IS("config"))
        say_config(me, rest);
    else if (IS("keep"))
        keep(rest, strlen(rest)), SAY("kept\n");
    else if (IS("recall"))
        SAY(kept != NULL ? "recalled %s\n" : "recalled\n", kept);
    else if (IS("now"))
        SAY("now %" PRIu64 "\n", wisted_now() * 1000000);
    else if (IS("netstring"))
        me->frame = wisted_frames_netstring, me->answer = wisted_transport_write_netstring;
    else if (IS("int32"))
        me->frame = wisted_frames_int32, me->answer = wisted_transport_write_int32;
    else if (IS("trap"))
        abort();
    else if (IS("post") && word_end != NULL)
        *word_end = '\0', post(me, rest, second);
    else if (IS("log") && word_end != NULL)
        *word_end = '\0', write_log(me, rest, second);
    else if (IS("echo") && has_number)
        me->raw_left = number;
    else if (IS("many") && has_number)
        many(me, number);
    else if (IS("pause") && has_number)
        wisted_transport_pause_reading(me->transport), wisted_call_later(number, resume, me);
    else if (IS("later") && has_number && *second != '\0')
        call_later(me, number, second);
    else if (IS("cancel") && has_number)
        cancel(me, number);
    else if (IS("sleep") && has_number)
        say_if(me, wisted_sleep(number), "slept\n");
    else if (IS("wait") && has_number)
        say_if(me, wisted_wait(wisted_call_later(number, NULL, NULL)), "waited\n");
    else if (IS("flood") && has_number)
        flood(me, number);
    else if (IS("random") && has_number)
        say_random(me, number);
    else
        return false;
    return true;
}

static void run_line(peer *me, wisted_bytes line) {
    char *text = allocated(line.size);
    memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    char *rest = strchr(text, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = text + line.size;
    static const char with_arguments[] =
        " post log echo many pause later cancel sleep wait flood random ";
    char word[32];
    snprintf(word, sizeof word, " %s ", text);
    if (!run(me, text, rest))
        SAY("error %s: %s\n", strstr(with_arguments, word) != NULL ? "bad arguments" : "unknown command", text);
    free(text);
}

static void connection_made(void *self, wisted_transport transport) {
    peer *me = self;
    me->transport = transport;
}

static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    peer *me = self;
    wisted_frames_push(&me->frames, data, size);
    wisted_frame_status status = WISTED_FRAME;
    while (status == WISTED_FRAME) {
        wisted_bytes frame;
        if (me->raw_left != 0) {
            frame = wisted_frames_raw(&me->frames, me->raw_left);
            me->raw_left -= (uint32_t)frame.size;
            status = frame.size != 0 ? WISTED_FRAME : WISTED_FRAME_INCOMPLETE;
            wisted_transport_write(transport, frame.data, frame.size);
        } else if (me->frame != NULL) {
            status = me->frame(&me->frames, WISTED_FRAME_MAX_BYTES, &frame);
            if (status == WISTED_FRAME)
                me->answer(transport, frame.data, frame.size);
        } else {
            status = wisted_frames_line(&me->frames, WISTED_LINE_MAX_BYTES, &frame);
            if (status == WISTED_FRAME)
                run_line(me, frame);
        }
    }
    if (status == WISTED_FRAME_INVALID)
        wisted_transport_lose_connection(transport);
}

static void read_closed(void *self, wisted_transport transport) {
    (void)self;
    wisted_transport_printf(transport, "read-closed\n");
    wisted_transport_lose_connection(transport);
}

static void drained(void *self, wisted_transport transport) {
    peer *me = self;
    if (me->tells_drained)
        wisted_transport_printf(transport, "drained\n");
    me->tells_drained = false;
}

static void connection_lost(void *self, wisted_transport transport, const wisted_close_reason *reason) {
    (void)transport;
    wisted_log(WISTED_INFO, "lost %s", wisted_close_kind_name(reason->kind));
    wisted_frames_free(&((peer *)self)->frames);
}

static void stop(void *context) {
    (void)context;
    wisted_log(WISTED_INFO, "stopped");
}

static void save_state(void *context, wisted_state *state) {
    (void)context;
    if (kept != NULL)
        wisted_state_write(state, kept, strlen(kept));
}

static const char *restore_state(void *context, const uint8_t *data, size_t size) {
    (void)context;
    static const char spoilt[] = "spoilt";
    if (size == strlen(spoilt) && memcmp(data, spoilt, size) == 0)
        return "the state is spoilt";
    keep((const char *)data, size);
    return NULL;
}

static const wisted_factory conformance = {
    .protocol = {connection_made, data_received, read_closed, drained, connection_lost},
    .state_size = sizeof(peer),
    .stop = stop,
    .save_state = save_state,
    .restore_state = restore_state,
};
WISTED_EXPORT_STATEFUL_FACTORY(conformance)
