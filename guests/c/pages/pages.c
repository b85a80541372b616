/* The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody
 * else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wisted.h>

/* A longer line ends its connection. */
enum { LINE_MAX_BYTES = 256, URL_MAX_BYTES = 1024, FETCHES_MAX = 32 };

static char urls[2][URL_MAX_BYTES];

/* A fetch under way, kept so that a peer that has closed its side gets its pages before we close ours. */
typedef struct fetch {
    wisted_pending id;
    wisted_transport transport;
    const char *url;
} fetch;

typedef struct pages {
    wisted_frames frames;
    fetch fetches[FETCHES_MAX];
    size_t next;
} pages;

/* Prints with the time of day, UTC. */
#define PRINT(format, ...) \
    do { \
        long seconds = (long)(time(NULL) % 86400); \
        wisted_log(WISTED_INFO, "%02ld:%02ld:%02ld " format, seconds / 3600, seconds / 60 % 60, seconds % 60, \
                   __VA_ARGS__); \
    } while (0)

/* When a page is there: prints it and tells the peer. */
static void show_page(void *context, const wisted_page *page) {
    const fetch *fetch = context;
    if (page->kind == WISTED_FETCHED) {
        int shown = page->body.size < 100 ? (int)page->body.size : 100;
        PRINT("%s: %zu bytes: \"%.*s\"", fetch->url, page->body.size, shown, (const char *)page->body.data);
        wisted_transport_printf(fetch->transport, "%s %zu\n", fetch->url, page->body.size);
    } else {
        char error[256];
        wisted_page_error_text(page, error, sizeof error);
        PRINT("%s: %s", fetch->url, error);
        wisted_transport_printf(fetch->transport, "%s error: %s\n", fetch->url, error);
    }
}

static void start_fetch(fetch *fetch, wisted_transport transport, const char *url) {
    if (wisted_is_pending(fetch->id))
        wisted_cancel(fetch->id); /* The oldest of very many. */
    *fetch = (struct fetch){.transport = transport, .url = url};
    fetch->id = wisted_get_page(url, show_page, fetch);
}

static bool fetch_and_sleep(pages *me, wisted_transport transport, bool waits) {
    wisted_pending ids[2];
    for (int i = 0; i < 2; i++) {
        fetch *fetch = &me->fetches[me->next++ % FETCHES_MAX];
        start_fetch(fetch, transport, urls[i]);
        ids[i] = fetch->id;
    }
    /* The sequential style: go on when the pages are there. In the callback style they come after this handler has
     * returned, in order of arrival. Both have the same callbacks. */
    for (int i = 0; waits && i < 2; i++)
        if (wisted_wait(ids[i]) != WISTED_WAITED)
            return false;
    for (int nap = 1; nap <= 2; nap++) {
        PRINT("sleeping, %d of 2", nap);
        if (wisted_sleep(1000) != WISTED_WAITED)
            return false;
    }
    PRINT("%s", "awake");
    wisted_transport_write(transport, "done\n", 5);
    return true;
}

static bool starts_with(wisted_bytes line, const char *word) {
    return line.size >= strlen(word) && memcmp(line.data, word, strlen(word)) == 0;
}

static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    pages *me = self;
    wisted_frames_push(&me->frames, data, size);
    wisted_bytes line;
    wisted_frame_status status;
    while ((status = wisted_frames_line(&me->frames, LINE_MAX_BYTES - 1, &line)) == WISTED_FRAME) {
        if (starts_with(line, "echo ")) {
            /* For whoever wants to see that a sleeping neighbour delays nobody. */
            wisted_transport_printf(transport, "%.*s\n", (int)line.size, (const char *)line.data);
        } else if (!fetch_and_sleep(me, transport, starts_with(line, "wait"))) {
            PRINT("%s", wisted_wait_error_text());
            return;
        }
    }
    if (status == WISTED_FRAME_INVALID)
        wisted_transport_lose_connection(transport);
}

static void read_closed(void *self, wisted_transport transport) {
    pages *me = self;
    for (size_t i = 0; i < FETCHES_MAX; i++)
        if (wisted_is_pending(me->fetches[i].id))
            wisted_wait(me->fetches[i].id);
    wisted_transport_lose_connection(transport);
}

static void connection_lost(void *self, wisted_transport transport, const wisted_close_reason *reason) {
    (void)transport, (void)reason;
    pages *me = self;
    for (size_t i = 0; i < FETCHES_MAX; i++)
        wisted_cancel(me->fetches[i].id);
    wisted_frames_free(&me->frames);
}

static const char *start(void *context, wisted_pairs config) {
    (void)context;
    const char *one = wisted_config_find(config, "url1"), *two = wisted_config_find(config, "url2");
    snprintf(urls[0], URL_MAX_BYTES, "%s", one != NULL ? one : "http://www.example.com/");
    snprintf(urls[1], URL_MAX_BYTES, "%s", two != NULL ? two : "http://www.example.org/");
    return NULL;
}

static const wisted_factory factory = {
    .protocol = {.data_received = data_received, .read_closed = read_closed, .connection_lost = connection_lost},
    .state_size = sizeof(pages),
    .start = start,
};
WISTED_EXPORT_FACTORY(factory)
