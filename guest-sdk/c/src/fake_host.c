/* The fake host of native builds: what a guest imports, answered from plain values, and recorded. It never calls a
 * handler, only callbacks of what is pending. */
#include "fake_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wisted_testing.h>

/* A timer, or a page when there is one. */
typedef struct fake_pending {
    uint32_t id;
    uint64_t due_ms;
    const struct fake_page *page;
    bool has_page, arrived;
} fake_pending;

/* What a test has laid down for a URL. */
typedef struct fake_page {
    char *url, *text;
    uint32_t delay_ms;
    wisted_fetch_kind kind;
    uint64_t limit;
} fake_page;

/* More than this many of anything is a fault of the test. */
enum { CONNECTIONS_MAX = 1000, PENDING_MAX = 1000, PAGES_MAX = 100, CONFIG_MAX = 50, OUTCOMES_MAX = 100000 };

static fake_connection connections[CONNECTIONS_MAX];
static uint32_t connection_count, ids_given;
static fake_pending pending[PENDING_MAX];
static size_t pending_count;
static fake_page pages[PAGES_MAX];
static size_t page_count;
static const char *config[2 * CONFIG_MAX + 1];
static uint64_t now_ms, random_state;
static wisted_wait_status broken;
static fake_bytes request, records, taken_records;

static _Noreturn void fault(const char *what) {
    fprintf(stderr, "the test or the guest is wrong: %s\n", what);
    exit(1);
}

void fake_append(fake_bytes *bytes, const void *data, size_t size) {
    if (bytes->capacity < bytes->size + size + 1) {
        bytes->capacity = 2 * (bytes->size + size + 1);
        bytes->data = wisted_reallocate_(bytes->data, bytes->capacity);
    }
    if (size != 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
}

void fake_clear(fake_bytes *bytes) {
    free(bytes->data);
    *bytes = (fake_bytes){0};
}

/* A text as the host gives it: allocated, unless it is empty. */
static host_text given(const char *text, size_t size) {
    static char nothing[1];
    if (size == 0)
        return (host_text){nothing, 0};
    char *copy = wisted_allocate_(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return (host_text){copy, size};
}

void wisted_release_(void *memory, size_t size) {
    if (size != 0)
        free(memory);
}

uint32_t fake_connect(void) {
    if (connection_count == CONNECTIONS_MAX)
        fault("too many connections");
    fake_clear(&connections[connection_count].written);
    fake_clear(&connections[connection_count].inbox);
    connections[connection_count] = (fake_connection){0};
    return ++connection_count;
}

uint32_t fake_connection_count(void) {
    return connection_count;
}

fake_connection *fake_connection_of(uint32_t id) {
    if (id == 0 || id > connection_count)
        fault("there is no such connection");
    return &connections[id - 1];
}

void fake_forget_connections(void) {
    for (uint32_t i = 0; i < connection_count; i++) {
        fake_clear(&connections[i].written);
        fake_clear(&connections[i].inbox);
    }
    connection_count = 0;
    pending_count = 0;
    wisted_forget_pending_();
}

void wisted_fake_reset(void) {
    fake_forget_connections();
    for (size_t i = 0; i < page_count; i++) {
        free(pages[i].url);
        free(pages[i].text);
    }
    page_count = 0;
    now_ms = 0;
    broken = WISTED_WAITED;
    fake_clear(&request);
    fake_clear(&records);
    fake_clear(&taken_records);
}

void fake_configure(const char *const *values) {
    size_t count = 0;
    for (; values != NULL && values[count] != NULL; count++) {
        if (count == 2 * CONFIG_MAX)
            fault("too many configuration values");
        config[count] = values[count];
    }
    config[count] = NULL;
}

host_pairs fake_config(void) {
    host_pairs pairs = {wisted_allocate_((CONFIG_MAX + 1) * sizeof(host_pair)), 0};
    for (const char *const *value = config; *value != NULL; value += 2)
        pairs.items[pairs.count++] =
            (host_pair){given(value[0], strlen(value[0])), given(value[1], strlen(value[1]))};
    if (pairs.count == 0) {
        free(pairs.items);
        pairs.items = NULL;
    }
    return pairs;
}

static fake_page *lay_down(uint32_t delay_ms, const char *url, wisted_fetch_kind kind, const char *text) {
    fake_page *page = NULL;
    for (size_t i = 0; i < page_count; i++)
        if (strcmp(pages[i].url, url) == 0)
            page = &pages[i];
    if (page == NULL) {
        if (page_count == PAGES_MAX)
            fault("too many pages");
        page = &pages[page_count++];
        *page = (fake_page){0};
    }
    free(page->url);
    free(page->text);
    *page = (fake_page){strdup(url), strdup(text), delay_ms, kind, 0};
    return page;
}

void wisted_fake_respond(uint32_t delay_ms, const char *url, const char *body) {
    lay_down(delay_ms, url, WISTED_FETCHED, body);
}

void wisted_fake_fail(const char *url, wisted_fetch_kind kind, const char *text, uint64_t limit) {
    lay_down(0, url, kind, text != NULL ? text : "")->limit = limit;
}

const char *wisted_fake_last_request(void) {
    return request.data != NULL ? request.data : "";
}

const char *wisted_fake_take_log(void) {
    fake_clear(&taken_records);
    taken_records = records;
    records = (fake_bytes){0};
    return taken_records.data != NULL ? taken_records.data : "";
}

void wisted_fake_break_waits(wisted_wait_status status) {
    broken = status;
}

static fake_pending *pending_of(uint32_t id) {
    for (size_t i = 0; i < pending_count; i++)
        if (pending[i].id == id)
            return &pending[i];
    return NULL;
}

static fake_pending take_pending(fake_pending *found) {
    fake_pending taken = *found;
    *found = pending[--pending_count];
    return taken;
}

static host_page page_of(const fake_pending *one) {
    host_page page = {0};
    const fake_page *laid = one->page;
    if (laid != NULL && laid->kind == WISTED_FETCHED) {
        page.value.response = (host_response){
            .status = 200, .body = given(laid->text, strlen(laid->text)), .url = given(laid->url, strlen(laid->url))};
        return page;
    }
    static const char unknown[] = "no fake page for this URL";
    wisted_fetch_kind kind = laid != NULL ? laid->kind : WISTED_FETCH_CONNECT;
    const char *text = laid != NULL ? laid->text : unknown;
    page.failed = 1;
    page.value.error.kind = (uint8_t)(kind - WISTED_FETCH_DENIED);
    if (kind < WISTED_FETCH_TIMEOUT)
        page.value.error.value.text = given(text, strlen(text));
    else if (kind == WISTED_FETCH_TOO_LARGE)
        page.value.error.value.bytes = laid->limit;
    else
        page.value.error.value.count = (uint32_t)laid->limit;
    return page;
}

/* The next that is due; of those due at the same time the one asked for first. */
static fake_pending *next_due(void) {
    fake_pending *next = NULL;
    for (size_t i = 0; i < pending_count; i++)
        if (!pending[i].arrived && (next == NULL || pending[i].due_ms < next->due_ms ||
                                    (pending[i].due_ms == next->due_ms && pending[i].id < next->id)))
            next = &pending[i];
    return next;
}

void fake_deliver_until(uint64_t until_ms) {
    fake_pending *next;
    for (uint32_t outcomes = 0; (next = next_due()) != NULL && next->due_ms <= until_ms; outcomes++) {
        if (outcomes == OUTCOMES_MAX)
            fault("a callback that asks for itself again without a delay");
        fake_pending due = take_pending(next);
        now_ms = now_ms > due.due_ms ? now_ms : due.due_ms;
        if (due.has_page) {
            host_page page = page_of(&due);
            wisted_deliver_page_(due.id, &page);
        } else {
            wisted_deliver_timer_(due.id);
        }
    }
    now_ms = now_ms > until_ms ? now_ms : until_ms;
}

void fake_deliver_all(void) {
    fake_pending *next;
    while ((next = next_due()) != NULL)
        fake_deliver_until(next->due_ms);
}

/* From here on: the imports of a guest. */

static fake_connection *open_of(uint32_t id) {
    fake_connection *connection = fake_connection_of(id);
    static fake_connection nobody;
    fake_clear(&nobody.written);
    return connection->gone ? &nobody : connection;
}

void wisted_host_write(uint32_t id, const void *data, size_t size) {
    fake_connection *connection = open_of(id);
    if (!connection->losing && !connection->aborted && !connection->write_shut_down)
        fake_append(&connection->written, data, size);
}

void wisted_host_write_many(uint32_t id, const wisted_bytes *pieces, size_t count) {
    for (size_t i = 0; i < count; i++)
        wisted_host_write(id, pieces[i].data, pieces[i].size);
}

void wisted_host_lose_connection(uint32_t id) {
    open_of(id)->losing = true;
}

void wisted_host_abort_connection(uint32_t id) {
    open_of(id)->aborted = true;
    fake_clear(&open_of(id)->written);
}

void wisted_host_shutdown_write(uint32_t id) {
    open_of(id)->write_shut_down = true;
}

void wisted_host_pause_reading(uint32_t id) {
    open_of(id)->reading_paused = true;
}

void wisted_host_resume_reading(uint32_t id) {
    open_of(id)->reading_paused = false;
}

void wisted_host_peer(uint32_t id, host_address *address) {
    /* Every connection has its own port, so that tests can tell them apart. */
    *address = (host_address){given("127.0.0.1", 9), (uint16_t)(40000 + id)};
}

void wisted_host_host(uint32_t id, host_address *address) {
    (void)id;
    *address = (host_address){given("127.0.0.1", 9), 8000};
}

uint64_t wisted_host_buffered_bytes(uint32_t id) {
    return open_of(id)->written.size;
}

static uint32_t add_pending(uint32_t delay_ms, bool has_page, const fake_page *page) {
    if (pending_count == PENDING_MAX)
        fault("more than pending-max");
    pending[pending_count++] =
        (fake_pending){.id = ++ids_given, .due_ms = now_ms + delay_ms, .page = page, .has_page = has_page};
    return ids_given;
}

uint32_t wisted_host_call_later(uint32_t delay_ms) {
    return add_pending(delay_ms, false, NULL);
}

static bool is_broken(host_wait *result) {
    *result = (host_wait){.failed = broken != WISTED_WAITED};
    result->error.kind = (uint8_t)(broken - WISTED_WAIT_CONNECTION_LOST);
    return result->failed;
}

void wisted_host_sleep(uint32_t duration_ms, host_wait *result) {
    if (!is_broken(result))
        now_ms += duration_ms;
}

uint64_t wisted_host_now(void) {
    return now_ms;
}

void wisted_host_wait(uint32_t id, host_wait *result) {
    if (is_broken(result))
        return;
    fake_pending *found = pending_of(id);
    if (found == NULL || found->arrived) {
        *result = (host_wait){.failed = 1, .error = {.kind = 1}};
        return;
    }
    now_ms = now_ms > found->due_ms ? now_ms : found->due_ms;
    if (found->has_page)
        found->arrived = true;
    else
        take_pending(found);
}

bool wisted_host_cancel(uint32_t id) {
    fake_pending *found = pending_of(id);
    if (found == NULL || found->arrived)
        return false;
    take_pending(found);
    return true;
}

uint32_t wisted_host_get_page(const char *url, size_t size) {
    return wisted_host_send_request("GET", 3, url, size, NULL, 0, NULL, 0, 0);
}

uint32_t wisted_host_send_request(const char *method, size_t method_size, const char *url, size_t url_size,
                                  const wisted_pair *headers, size_t header_count, const void *body, size_t body_size,
                                  uint32_t timeout_ms) {
    (void)timeout_ms;
    fake_clear(&request);
    fake_append(&request, method, method_size);
    fake_append(&request, " ", 1);
    fake_append(&request, url, url_size);
    for (size_t i = 0; i < header_count; i++) {
        fake_append(&request, " ", 1);
        fake_append(&request, headers[i].name.data, headers[i].name.size);
        fake_append(&request, "=", 1);
        fake_append(&request, headers[i].value.data, headers[i].value.size);
    }
    if (body_size != 0)
        fake_append(&request, " ", 1);
    fake_append(&request, body, body_size);
    for (size_t i = 0; i < page_count; i++)
        if (strlen(pages[i].url) == url_size && memcmp(pages[i].url, url, url_size) == 0)
            return add_pending(pages[i].delay_ms, true, &pages[i]);
    return add_pending(0, true, NULL);
}

void wisted_host_take_page(uint32_t id, host_page *page) {
    fake_pending *found = pending_of(id);
    if (found == NULL || !found->arrived)
        fault("take-page of a page that was not waited for");
    fake_pending taken = take_pending(found);
    *page = page_of(&taken);
}

void wisted_host_log(uint32_t level, const char *message, size_t size) {
    static const char *const names[] = {"trace ", "debug ", "info ", "warn ", "error "};
    fake_append(&records, names[level], strlen(names[level]));
    fake_append(&records, message, size);
    fake_append(&records, "\n", 1);
}

void wisted_host_random(uint32_t length, host_text *bytes) {
    if (length > 65536)
        fault("the host gives at most 65,536 random bytes at once");
    *bytes = given("", 0);
    if (length != 0)
        *bytes = (host_text){wisted_allocate_(length), length};
    for (uint32_t i = 0; i < length; i++) {
        /* The same bytes in every run: what a test wants. */
        random_state = random_state * 6364136223846793005U + 1442695040888963407U;
        bytes->data[i] = (char)(random_state >> 56);
    }
}

void wisted_host_config_get(const char *key, size_t size, host_option *value) {
    *value = (host_option){0};
    for (const char *const *pair = config; *pair != NULL; pair += 2)
        if (strlen(pair[0]) == size && memcmp(pair[0], key, size) == 0)
            *value = (host_option){1, given(pair[1], strlen(pair[1]))};
}

void wisted_host_config_all(host_pairs *values) {
    *values = fake_config();
}
