/* What the SDK's own files know of each other; guests must not include it. */
#ifndef WISTED_INTERNAL_H
#define WISTED_INTERNAL_H

#include "host.h"

/* Memory. Out of it is a trap, as the header says. */
void *wisted_allocate_(size_t size);
void *wisted_reallocate_(void *memory, size_t size);
/* Frees what the host allocated here. */
void wisted_release_(void *memory, size_t size);
void wisted_release_pairs_(host_pairs pairs);

/* The text of a formatted message, on the stack when it fits. */
typedef struct wisted_message {
    char buffer[512];
    char *data;
    size_t size;
} wisted_message;
void wisted_message_format_(wisted_message *message, const char *format, va_list arguments) WISTED_PRINTF(2, 0);
void wisted_message_free_(wisted_message *message);

/* A map by id for ids that are given in ascending order: inserting is pushing, finding is a binary search. */
typedef struct wisted_entry {
    uint32_t id;
    void *value;
    void (*callback)(void);
} wisted_entry;
typedef struct wisted_table {
    wisted_entry *entries;
    size_t count, capacity;
} wisted_table;
void wisted_table_insert_(wisted_table *table, wisted_entry entry);
wisted_entry *wisted_table_find_(wisted_table *table, uint32_t id);
/* Takes an entry out; one with id 0 when there is none. */
wisted_entry wisted_table_take_(wisted_table *table, uint32_t id);
void wisted_table_clear_(wisted_table *table);

/* An instance that serves: what the host calls, by connection. */
struct wisted_state {
    uint8_t *data;
    size_t size, capacity;
};
/* The state that the factory writes, kept until the next call. */
const wisted_state *wisted_serve_save_(void);
const char *wisted_serve_restore_(const uint8_t *data, size_t size);
const char *wisted_serve_start_(const wisted_factory *factory, wisted_pairs config);
void wisted_serve_stop_(void);
void wisted_serve_made_(uint32_t connection);
void wisted_serve_data_(uint32_t connection, const uint8_t *data, size_t size);
void wisted_serve_read_closed_(uint32_t connection);
void wisted_serve_drained_(uint32_t connection);
void wisted_serve_lost_(uint32_t connection, const host_reason *reason);

/* The outcome of something pending, for whoever still expects it. The page is freed. */
void wisted_deliver_timer_(uint32_t id);
void wisted_deliver_page_(uint32_t id, host_page *page);
/* Forgets all that is pending, as at the beginning of an instance. */
void wisted_forget_pending_(void);

#endif
