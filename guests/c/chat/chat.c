/* A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wisted.h>

/* Nobody may have the room remember more than this. */
enum { LINE_MAX_BYTES = 1024 };

typedef struct speaker {
    unsigned number;
    wisted_transport transport;
    wisted_frames frames;
    struct speaker *next;
} speaker;

/* Who is there, and how many have been. */
typedef struct room {
    speaker *speakers;
    unsigned numbers_given;
} room;

static room hall;

/* Tells everybody else: `* NUMBER NEWS`, or `NUMBER: LINE`. */
static void tell_others(const speaker *from, const char *format, wisted_bytes line) {
    char head[32];
    int size = snprintf(head, sizeof head, format, from->number);
    wisted_bytes pieces[] = {{(const uint8_t *)head, (size_t)size}, line, {(const uint8_t *)"\n", 1}};
    for (speaker *other = hall.speakers; other != NULL; other = other->next)
        if (other != from)
            wisted_transport_write_many(other->transport, pieces, 3);
}

static void *build_protocol(void *context, wisted_transport transport) {
    room *room = context;
    speaker *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    made->number = ++room->numbers_given;
    made->transport = transport;
    return made;
}

static void connection_made(void *self, wisted_transport transport) {
    speaker *me = self;
    unsigned others = 0;
    for (speaker *other = hall.speakers; other != NULL; other = other->next)
        others++;
    wisted_transport_printf(transport, "* you are %u, with %u others here\n", me->number, others);
    me->next = hall.speakers;
    hall.speakers = me;
    tell_others(me, "* %u joined", (wisted_bytes){0});
}

static void say(const speaker *me, wisted_bytes line) {
    /* Control characters would let one peer write over another's screen. */
    uint8_t clean[LINE_MAX_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] >= ' ' && line.data[i] != 0x7f)
            clean[size++] = line.data[i];
    tell_others(me, "%u: ", (wisted_bytes){clean, size});
}

static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    speaker *me = self;
    wisted_frames_push(&me->frames, data, size);
    wisted_bytes line;
    wisted_frame_status status;
    /* The line's end is counted, so the line alone has one byte less. */
    while ((status = wisted_frames_line(&me->frames, LINE_MAX_BYTES - 1, &line)) == WISTED_FRAME)
        say(me, line);
    if (status == WISTED_FRAME_INVALID) {
        wisted_transport_printf(transport, "* a line may have %d bytes\n", LINE_MAX_BYTES);
        wisted_transport_lose_connection(transport);
    }
}

static void connection_lost(void *self, wisted_transport transport, const wisted_close_reason *reason) {
    (void)transport, (void)reason;
    speaker *me = self;
    speaker **link = &hall.speakers;
    while (*link != me)
        link = &(*link)->next;
    *link = me->next;
    tell_others(me, "* %u left", (wisted_bytes){0});
    wisted_frames_free(&me->frames);
    free(me);
}

/* A new build goes on counting, so that no number is given twice while old connections are still there. */
static void save_state(void *context, wisted_state *state) {
    const room *room = context;
    wisted_state_write(state, &room->numbers_given, sizeof room->numbers_given);
}

static const char *restore_state(void *context, const uint8_t *data, size_t size) {
    room *room = context;
    if (size != sizeof room->numbers_given)
        return "the state is not the number of those who came";
    memcpy(&room->numbers_given, data, size);
    return NULL;
}

static const wisted_factory chat = {
    .protocol = {.connection_made = connection_made,
                 .data_received = data_received,
                 .connection_lost = connection_lost},
    .context = &hall,
    .build_protocol = build_protocol,
    .save_state = save_state,
    .restore_state = restore_state,
};
WISTED_EXPORT_STATEFUL_FACTORY(chat)
