/* What every guest exports, whatever it is: memory for the host to write to, and the outcomes of what is pending. In
 * the canonical ABI. */
#include "internal.h"

#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define EXPORT_HANDLER(name) EXPORT("wisted:reactor/" name)

/* Most calls bring one small piece of memory with them, which is given back before the next: for it, nothing is
 * allocated, so that a short connection never grows the memory of its instance. */
static char first_piece[2048] __attribute__((aligned(8)));
static bool is_first_piece_taken;
/* What an empty list is given, so that an empty text has its NUL too. */
static char nothing[8] __attribute__((aligned(8)));

void *wisted_cabi_realloc_(void *old, size_t old_size, size_t alignment, size_t size);
EXPORT("cabi_realloc") void *wisted_cabi_realloc_(void *old, size_t old_size, size_t alignment, size_t size) {
    (void)alignment; /* At most 8, which malloc gives. */
    if (old_size != 0) /* Hosts that speak UTF-8 never ask for it. */
        __builtin_trap();
    (void)old;
    if (size == 0)
        return nothing;
    char *memory = first_piece;
    if (!is_first_piece_taken && size < sizeof first_piece)
        is_first_piece_taken = true;
    else
        memory = wisted_allocate_(size + 1);
    memory[size] = '\0';
    return memory;
}

void wisted_release_(void *memory, size_t size) {
    if (size == 0)
        return;
    if (memory == first_piece)
        is_first_piece_taken = false;
    else
        free(memory);
}

EXPORT_HANDLER("timer-handler@0.1.0#timer-fired") void wisted_timer_fired_(uint32_t id) {
    wisted_deliver_timer_(id);
}

/* The page comes flat, response and error in the same places. */
EXPORT_HANDLER("page-handler@0.1.0#page-received")
void wisted_page_received_(uint32_t id, uint32_t failed, uint32_t first, uint64_t second, uint32_t third, char *body,
                           size_t body_size, char *url, size_t url_size) {
    host_page page = {.failed = (uint8_t)failed};
    if (!failed) {
        host_pairs headers = {(host_pair *)(uintptr_t)second, third};
        page.value.response =
            (host_response){(uint16_t)first, headers, {body, body_size}, {url, url_size}};
    } else {
        wisted_fetch_kind kind = (wisted_fetch_kind)(first + WISTED_FETCH_DENIED);
        page.value.error.kind = (uint8_t)first;
        if (kind < WISTED_FETCH_TIMEOUT)
            page.value.error.value.text = (host_text){(char *)(uintptr_t)second, third};
        else if (kind == WISTED_FETCH_TOO_LARGE)
            page.value.error.value.bytes = second;
        else
            page.value.error.value.count = (uint32_t)second;
    }
    wisted_deliver_page_(id, &page);
}

/* result<_, string> as it is returned: in memory that is read before the next call. The text is the guest's own. */
static struct {
    uint8_t failed;
    wisted_text error;
} returned;

const void *wisted_returned_(const char *error) {
    returned.failed = error != NULL;
    returned.error = error != NULL ? wisted_text_of(error) : (wisted_text){0};
    return &returned;
}
