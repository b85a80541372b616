/* Tests of timers, pages and waits. */
#include <string.h>
#include <wisted_testing.h>

static char events[1024];

static void note(void *context) {
    size_t size = strlen(events);
    snprintf(events + size, sizeof events - size, "%s at %d\n", (const char *)context, (int)wisted_now());
}

static void note_page(void *context, const wisted_page *page) {
    char error[128];
    size_t size = strlen(events);
    snprintf(events + size, sizeof events - size, "%s %s %d %.*s %s\n", (const char *)context,
             wisted_fetch_kind_name(page->kind), page->status, (int)page->body.size, (const char *)page->body.data,
             page->kind == WISTED_FETCHED ? page->url : wisted_page_error_text(page, error, sizeof error));
}

#define CHECK_EVENTS(text) (WISTED_CHECK_TEXT(events, text), events[0] = '\0')

static void calls_are_made_in_order_of_their_time(void) {
    wisted_fake_reset();
    wisted_call_later(30, note, "c");
    wisted_call_later(10, note, "a");
    wisted_pending b = wisted_call_later(20, note, "b");
    wisted_pending gone = wisted_call_later(20, note, "cancelled");
    wisted_call_later(20, NULL, NULL);
    WISTED_CHECK(wisted_is_pending(gone) && wisted_cancel(gone));
    WISTED_CHECK(!wisted_is_pending(gone) && !wisted_cancel(gone) && !wisted_cancel(0));
    wisted_fake_advance(20);
    WISTED_CHECK(!wisted_is_pending(b));
    CHECK_EVENTS("a at 10\nb at 20\n");
    wisted_fake_advance(20);
    CHECK_EVENTS("c at 30\n");
}

static void waits_suspend_and_call_back(void) {
    wisted_fake_reset();
    wisted_pending timer = wisted_call_later(50, note, "timer");
    WISTED_CHECK(wisted_wait(timer) == WISTED_WAITED);
    CHECK_EVENTS("timer at 50\n");
    WISTED_CHECK(wisted_wait(timer) == WISTED_WAIT_UNKNOWN_ID);
    WISTED_CHECK_TEXT(wisted_wait_error_text(), "there is nothing to wait for");
    WISTED_CHECK(wisted_sleep(7) == WISTED_WAITED && wisted_now() == 57);
    timer = wisted_call_later(1, note, "timer");
    wisted_fake_break_waits(WISTED_WAIT_CONNECTION_LOST);
    WISTED_CHECK(wisted_sleep(7) == WISTED_WAIT_CONNECTION_LOST && wisted_wait(timer) == WISTED_WAIT_CONNECTION_LOST);
    WISTED_CHECK_TEXT(wisted_wait_error_text(), "gave up waiting: the connection was closed");
    wisted_fake_break_waits(WISTED_WAIT_STOPPING);
    WISTED_CHECK(wisted_sleep(7) == WISTED_WAIT_STOPPING);
    WISTED_CHECK_TEXT(wisted_wait_error_text(), "gave up waiting: the host is stopping");
    wisted_fake_advance(1);
    CHECK_EVENTS("timer at 58\n");
}

static void pages_come_by_callback_in_order_of_arrival(void) {
    wisted_fake_reset();
    wisted_fake_respond(200, "http://slow/", "slow");
    wisted_fake_respond(100, "http://fast/", "fast");
    wisted_fake_respond(0, "http://empty/", "");
    wisted_get_page("http://slow/", note_page, "1");
    wisted_get_page("http://fast/", note_page, "2");
    wisted_get_page("http://empty/", note_page, "3");
    WISTED_CHECK(wisted_cancel(wisted_get_page("http://fast/", note_page, "4")));
    wisted_get_page("http://nowhere/", note_page, "5");
    wisted_fake_advance(300);
    CHECK_EVENTS("3 ok 200  http://empty/\n5 connect 0  no connection: no fake page for this URL\n"
                 "2 ok 200 fast http://fast/\n1 ok 200 slow http://slow/\n");
}

static void pages_can_be_waited_for(void) {
    wisted_fake_reset();
    wisted_fake_respond(200, "http://slow/", "slow");
    wisted_fake_respond(100, "http://fast/", "fast");
    wisted_pending slow = wisted_get_page("http://slow/", NULL, NULL);
    wisted_pending fast = wisted_get_page("http://fast/", note_page, "fast");
    wisted_page *page;
    WISTED_CHECK(wisted_wait_page(slow, &page) == WISTED_WAITED && wisted_now() == 200);
    WISTED_CHECK(page->status == 200 && page->body.size == 4 && wisted_page_header(page, "x") == NULL);
    wisted_page_free(page);
    WISTED_CHECK(wisted_wait_page(slow, &page) == WISTED_WAIT_UNKNOWN_ID && page == NULL);
    wisted_page_free(NULL);
    WISTED_CHECK(wisted_wait(fast) == WISTED_WAITED);
    CHECK_EVENTS("fast ok 200 fast http://fast/\n");
}

static void errors_have_kinds_and_words(void) {
    static const struct {
        wisted_fetch_kind kind;
        uint64_t limit;
        const char *told;
    } errors[] = {
        {WISTED_FETCH_DENIED, 0, "denied: why"},
        {WISTED_FETCH_INVALID_REQUEST, 0, "invalid request: why"},
        {WISTED_FETCH_DNS, 0, "the name could not be resolved: why"},
        {WISTED_FETCH_CONNECT, 0, "no connection: why"},
        {WISTED_FETCH_TLS, 0, "TLS: why"},
        {WISTED_FETCH_PROTOCOL, 0, "not proper HTTP: why"},
        {WISTED_FETCH_TIMEOUT, 0, "the request timed out"},
        {WISTED_FETCH_TOO_LARGE, 5000000000, "the page is longer than 5000000000 bytes"},
        {WISTED_FETCH_TOO_MANY_REDIRECTS, 5, "more than 5 redirects"},
        {WISTED_FETCH_TOO_MANY_REQUESTS, 6, "more than 6 requests are waiting"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        wisted_fake_reset();
        wisted_fake_fail("http://x/", errors[i].kind, "why", errors[i].limit);
        wisted_page *page;
        WISTED_CHECK(wisted_wait_page(wisted_get_page("http://x/", NULL, NULL), &page) == WISTED_WAITED);
        char text[128];
        WISTED_CHECK(page->kind == errors[i].kind);
        WISTED_CHECK_TEXT(wisted_page_error_text(page, text, sizeof text), errors[i].told);
        wisted_page_free(page);
    }
}

static void requests_have_all_their_parts(void) {
    wisted_fake_reset();
    wisted_pair headers[] = {{wisted_text_of("a"), wisted_text_of("1")}, {wisted_text_of("b"), wisted_text_of("2")}};
    wisted_request request = {.method = "POST",
                              .url = "http://x/",
                              .headers = {headers, 2},
                              .body = {(const uint8_t *)"body", 4},
                              .timeout_ms = 100};
    wisted_send_request(&request, NULL, NULL);
    WISTED_CHECK_TEXT(wisted_fake_last_request(), "POST http://x/ a=1 b=2 body");
    request = (wisted_request){.url = "http://y/"};
    wisted_send_request(&request, NULL, NULL);
    WISTED_CHECK_TEXT(wisted_fake_last_request(), "GET http://y/");
    wisted_fake_advance(0);

    const wisted_pair pair = {wisted_text_of("Content-Type"), wisted_text_of("text/plain")};
    const wisted_page page = {.headers = {&pair, 1}};
    WISTED_CHECK_TEXT(wisted_page_header(&page, "content-TYPE"), "text/plain");
}

static const char *fail(void *context) {
    wisted_call_later(5, note, context);
    return strcmp(context, "fails") == 0 ? "failed" : NULL;
}

static void a_program_runs_until_nothing_is_pending(void) {
    wisted_fake_reset();
    wisted_program program = {.context = "works", .execute = fail, .stop = note};
    WISTED_CHECK(wisted_fake_run(&program, NULL) == NULL);
    CHECK_EVENTS("works at 5\nworks at 5\n");
    program.context = "fails";
    WISTED_CHECK_TEXT(wisted_fake_run(&program, NULL), "failed");
    CHECK_EVENTS("");
}

int main(void) {
    calls_are_made_in_order_of_their_time();
    waits_suspend_and_call_back();
    pages_come_by_callback_in_order_of_arrival();
    pages_can_be_waited_for();
    errors_have_kinds_and_words();
    requests_have_all_their_parts();
    a_program_runs_until_nothing_is_pending();
    wisted_fake_start(&(wisted_factory){0}, NULL);
    wisted_fake_stop();
    wisted_fake_reset();
    return 0;
}
