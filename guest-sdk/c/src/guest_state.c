/* What a guest exports besides that hands its state on. In the canonical ABI. */
#include "internal.h"

#define EXPORT_HANDLER(name) __attribute__((export_name("wisted:reactor/" name)))

const void *wisted_returned_(const char *error);
void wisted_link_factory_(void);

/* Named by WISTED_EXPORT_STATEFUL_FACTORY, so that the linker takes this file, and through it the other. */
void wisted_link_stateful_factory_(void) {
    wisted_link_factory_();
}

/* list<u8> as it is returned: in memory that is read before the next call. */
static wisted_bytes returned;

EXPORT_HANDLER("state-handler@0.1.0#save-state") const void *wisted_save_state_(void) {
    const wisted_state *state = wisted_serve_save_();
    returned = (wisted_bytes){state->data, state->size};
    return &returned;
}

EXPORT_HANDLER("state-handler@0.1.0#restore-state") const void *wisted_restore_state_(uint8_t *data, size_t size) {
    const void *result = wisted_returned_(wisted_serve_restore_(data, size));
    wisted_release_(data, size);
    return result;
}
