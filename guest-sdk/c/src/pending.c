/* Timers and pages: what is pending, who is to be told, and waiting for it. Knows nothing of connections. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* What is expected, with its callback and its context. The host bounds it: it traps above `pending-max`. */
static wisted_table timers, pages;
static char wait_error[256];

typedef void any_callback(void);

static wisted_pending expect(wisted_table *table, uint32_t id, any_callback *callback, void *context) {
    wisted_table_insert_(table, (wisted_entry){.id = id, .value = context, .callback = callback});
    return id;
}

wisted_pending wisted_call_later(uint32_t delay_ms, wisted_timer_callback *callback, void *context) {
    return expect(&timers, wisted_host_call_later(delay_ms), (any_callback *)callback, context);
}

wisted_pending wisted_get_page(const char *url, wisted_page_callback *callback, void *context) {
    return expect(&pages, wisted_host_get_page(url, strlen(url)), (any_callback *)callback, context);
}

wisted_pending wisted_send_request(const wisted_request *request, wisted_page_callback *callback, void *context) {
    const char *method = request->method != NULL ? request->method : "GET";
    uint32_t id = wisted_host_send_request(method, strlen(method), request->url, strlen(request->url),
                                           request->headers.items, request->headers.count, request->body.data,
                                           request->body.size, request->timeout_ms);
    return expect(&pages, id, (any_callback *)callback, context);
}

bool wisted_is_pending(wisted_pending id) {
    return wisted_table_find_(&timers, id) != NULL || wisted_table_find_(&pages, id) != NULL;
}

bool wisted_cancel(wisted_pending id) {
    if (wisted_table_take_(&timers, id).id == 0 && wisted_table_take_(&pages, id).id == 0)
        return false;
    wisted_host_cancel(id);
    return true;
}

void wisted_deliver_timer_(uint32_t id) {
    wisted_entry entry = wisted_table_take_(&timers, id);
    if (entry.callback != NULL)
        ((wisted_timer_callback *)entry.callback)(entry.value);
}

/* A page as guests see it; what it points to stays the host's. */
static wisted_page seen(const host_page *page) {
    wisted_page seen = {.error = "", .url = "", .body = {(const uint8_t *)"", 0}};
    if (!page->failed) {
        const host_response *response = &page->value.response;
        seen.status = response->status;
        seen.headers = (wisted_pairs){(const wisted_pair *)response->headers.items, response->headers.count};
        seen.body = (wisted_bytes){(const uint8_t *)response->body.data, response->body.size};
        seen.url = response->url.data;
        return seen;
    }
    const host_fetch_error *error = &page->value.error;
    seen.kind = (wisted_fetch_kind)(error->kind + WISTED_FETCH_DENIED);
    if (seen.kind < WISTED_FETCH_TIMEOUT)
        seen.error = error->value.text.data;
    else if (seen.kind == WISTED_FETCH_TOO_LARGE)
        seen.limit = error->value.bytes;
    else if (seen.kind > WISTED_FETCH_TOO_LARGE)
        seen.limit = error->value.count;
    return seen;
}

static void release_page(host_page *page) {
    if (page->failed) {
        if (page->value.error.kind + WISTED_FETCH_DENIED < WISTED_FETCH_TIMEOUT)
            wisted_release_(page->value.error.value.text.data, page->value.error.value.text.size);
        return;
    }
    wisted_release_pairs_(page->value.response.headers);
    wisted_release_(page->value.response.body.data, page->value.response.body.size);
    wisted_release_(page->value.response.url.data, page->value.response.url.size);
}

void wisted_deliver_page_(uint32_t id, host_page *page) {
    wisted_entry entry = wisted_table_take_(&pages, id);
    if (entry.callback != NULL) {
        wisted_page given = seen(page);
        ((wisted_page_callback *)entry.callback)(entry.value, &given);
    }
    release_page(page);
}

/* Not with printf: a guest that only sleeps is a fifth of one with it. */
static wisted_wait_status failed(wisted_wait_status status, const char *text, const char *detail) {
    wait_error[0] = '\0';
    strncat(wait_error, text, sizeof wait_error - 1);
    strncat(wait_error, detail, sizeof wait_error - 1 - strlen(wait_error));
    return status;
}

static wisted_wait_status unknown_id(void) {
    return failed(WISTED_WAIT_UNKNOWN_ID, "there is nothing to wait for", "");
}

static wisted_wait_status outcome(const host_wait *wait) {
    static const char *const texts[] = {
        "gave up waiting: the connection was closed", "gave up waiting: the connection was lost: ",
        "gave up waiting: the connection was aborted", "gave up waiting: the peer did not read: ",
        "gave up waiting: the host is stopping"};
    if (!wait->failed)
        return WISTED_WAITED;
    if (wait->error.kind == 1)
        return unknown_id();
    if (wait->error.kind == 2)
        return failed(WISTED_WAIT_STOPPING, texts[WISTED_STOPPING], "");
    const host_reason *reason = &wait->error.reason;
    bool has_text = reason->kind == WISTED_LOST || reason->kind == WISTED_PEER_NOT_READING;
    failed(WISTED_WAIT_CONNECTION_LOST, texts[reason->kind], has_text ? reason->text.data : "");
    if (has_text)
        wisted_release_(reason->text.data, reason->text.size);
    return WISTED_WAIT_CONNECTION_LOST;
}

const char *wisted_wait_error_text(void) {
    return wait_error;
}

wisted_wait_status wisted_sleep(uint32_t duration_ms) {
    host_wait wait;
    wisted_host_sleep(duration_ms, &wait);
    return outcome(&wait);
}

static wisted_wait_status wait_for(wisted_pending id) {
    host_wait wait;
    wisted_host_wait(id, &wait);
    return outcome(&wait);
}

wisted_wait_status wisted_wait(wisted_pending id) {
    if (!wisted_is_pending(id))
        return unknown_id();
    wisted_wait_status status = wait_for(id);
    if (status != WISTED_WAITED)
        return status;
    if (wisted_table_find_(&pages, id) == NULL) {
        wisted_deliver_timer_(id);
    } else {
        host_page page;
        wisted_host_take_page(id, &page);
        wisted_deliver_page_(id, &page);
    }
    return status;
}

/* An owned page: what guests see, and what is to be freed. */
typedef struct owned_page {
    wisted_page seen;
    host_page host;
} owned_page;

wisted_wait_status wisted_wait_page(wisted_pending id, wisted_page **page) {
    *page = NULL;
    if (wisted_table_find_(&pages, id) == NULL)
        return unknown_id();
    wisted_wait_status status = wait_for(id);
    if (status != WISTED_WAITED)
        return status;
    wisted_table_take_(&pages, id);
    owned_page *owned = wisted_allocate_(sizeof *owned);
    wisted_host_take_page(id, &owned->host);
    owned->seen = seen(&owned->host);
    *page = &owned->seen;
    return status;
}

void wisted_page_free(wisted_page *page) {
    if (page == NULL)
        return;
    release_page(&((owned_page *)page)->host);
    free(page);
}

void wisted_forget_pending_(void) {
    wisted_table_clear_(&timers);
    wisted_table_clear_(&pages);
}

uint64_t wisted_now(void) {
    return wisted_host_now();
}
