/* What a guest exports that runs by itself. In the canonical ABI. */
#include "internal.h"

#define EXPORT_HANDLER(name) __attribute__((export_name("wisted:reactor/" name)))

const void *wisted_returned_(const char *error);

/* Named by WISTED_EXPORT_PROGRAM, so that the linker takes this file. */
void wisted_link_program_(void) {
}

EXPORT_HANDLER("lifecycle-handler@0.1.0#start") const void *wisted_program_start_(host_pair *items, size_t count) {
    host_pairs config = {items, count};
    const wisted_program *program = wisted_exported_program;
    const char *error = NULL;
    if (program->start != NULL)
        error = program->start(program->context, (wisted_pairs){(wisted_pair *)items, count});
    const void *result = wisted_returned_(error);
    wisted_release_pairs_(config);
    return result;
}

EXPORT_HANDLER("program@0.1.0#execute") const void *wisted_program_execute_(void) {
    return wisted_returned_(wisted_exported_program->execute(wisted_exported_program->context));
}

EXPORT_HANDLER("lifecycle-handler@0.1.0#stop") void wisted_program_stop_(void) {
    if (wisted_exported_program->stop != NULL)
        wisted_exported_program->stop(wisted_exported_program->context);
}
