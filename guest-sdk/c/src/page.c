/* What a page says: its headers, and its error in words. Knows nothing of how pages are asked for. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

const char *wisted_page_header(const wisted_page *page, const char *name) {
    for (size_t i = 0; i < page->headers.count; i++)
        if (strcasecmp(page->headers.items[i].name.data, name) == 0)
            return page->headers.items[i].value.data;
    return NULL;
}

const char *wisted_fetch_kind_name(wisted_fetch_kind kind) {
    static const char *const names[] = {"ok",       "denied",   "invalid-request", "dns",       "connect",
                                        "tls",      "protocol", "timeout",         "too-large", "too-many-redirects",
                                        "too-many-requests"};
    return kind <= WISTED_FETCH_TOO_MANY_REQUESTS ? names[kind] : "unknown";
}

const char *wisted_page_error_text(const wisted_page *page, char *buffer, size_t size) {
    static const char *const texts[] = {
        "", "denied: ", "invalid request: ", "the name could not be resolved: ", "no connection: ", "TLS: ",
        "not proper HTTP: "};
    switch (page->kind) {
    case WISTED_FETCH_TIMEOUT:
        snprintf(buffer, size, "the request timed out");
        break;
    case WISTED_FETCH_TOO_LARGE:
        snprintf(buffer, size, "the page is longer than %" PRIu64 " bytes", page->limit);
        break;
    case WISTED_FETCH_TOO_MANY_REDIRECTS:
        snprintf(buffer, size, "more than %" PRIu64 " redirects", page->limit);
        break;
    case WISTED_FETCH_TOO_MANY_REQUESTS:
        snprintf(buffer, size, "more than %" PRIu64 " requests are waiting", page->limit);
        break;
    default:
        snprintf(buffer, size, "%s%s", page->kind < WISTED_FETCH_TIMEOUT ? texts[page->kind] : "", page->error);
    }
    return buffer;
}
