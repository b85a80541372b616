/* Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order. */
#include <string.h>
#include <wisted.h>

/* More than this many handlers are a mistake. */
enum { HANDLERS_MAX = 16 };

/* What happens at one event. */
typedef struct handler {
    const char *name;
    /* Every handler has its own; one that forgets it is told so. Returns an error text or NULL. */
    const char *(*execute)(const struct handler *handler);
    /* What a handler says that says something. */
    const char *line;
} handler;

/* The handlers, in the order in which they were registered. */
typedef struct events {
    const handler *handlers[HANDLERS_MAX];
    size_t count;
} events;

/* Returns an error text or NULL. */
static const char *register_handler(events *events, const handler *handler) {
    if (events->count == HANDLERS_MAX)
        return "too many handlers";
    events->handlers[events->count++] = handler;
    return NULL;
}

/* Executes each handler in turn. The first error ends the run. */
static const char *run(const events *events) {
    for (size_t i = 0; i < events->count; i++) {
        const handler *handler = events->handlers[i];
        if (handler->execute == NULL)
            return wisted_errorf("the handler `%s` does nothing: you must override execute", handler->name);
        const char *error = handler->execute(handler);
        if (error != NULL)
            return error;
    }
    return NULL;
}

static const char *say(const handler *handler) {
    wisted_log(WISTED_INFO, "%s: %s", handler->name, handler->line);
    return NULL;
}

static const handler oath = {"oath", say, "the guard swears to keep the king"};
static const handler doubt = {"doubt", say, "the king calls for fire"};
static const handler deed = {"deed", say, "the guard draws his sword"};
static const handler forgetful = {.name = "forgetful"};

static const char *start(void *context, wisted_pairs config) {
    events *events = context;
    const char *forget = wisted_config_find(config, "forget");
    const handler *handlers[] = {&oath, &doubt, &deed, &forgetful};
    size_t count = forget != NULL && strcmp(forget, "true") == 0 ? 4 : 3;
    const char *error = NULL;
    events->count = 0;
    for (size_t i = 0; i < count && error == NULL; i++)
        error = register_handler(events, handlers[i]);
    return error;
}

static const char *execute(void *context) {
    return run(context);
}

static events registered;
static const wisted_program kingslayer = {.context = &registered, .start = start, .execute = execute};
WISTED_EXPORT_PROGRAM(kingslayer)
