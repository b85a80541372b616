/* What the fake host and the fake peers know of each other. */
#ifndef WISTED_FAKE_HOST_H
#define WISTED_FAKE_HOST_H

#include "internal.h"

/* Bytes that grow; there is always a NUL after them. */
typedef struct fake_bytes {
    char *data;
    size_t size, capacity;
} fake_bytes;
void fake_append(fake_bytes *bytes, const void *data, size_t size);
void fake_clear(fake_bytes *bytes);

/* What was done to one connection. */
typedef struct fake_connection {
    fake_bytes written, inbox;
    bool losing, aborted, write_shut_down, reading_paused, gone;
} fake_connection;

/* The connection of an id; one that this test never made ends the test. */
fake_connection *fake_connection_of(uint32_t id);
/* Makes a connection. */
uint32_t fake_connect(void);
/* How many there are: their ids are 1 to this. */
uint32_t fake_connection_count(void);
void fake_forget_connections(void);

/* Sets what config-get answers: keys and values by turns, ended by NULL. */
void fake_configure(const char *const *config);
/* The configuration as `start` gets it; to be released. */
host_pairs fake_config(void);
/* Delivers what is due by a time, and then it is that time. */
void fake_deliver_until(uint64_t until_ms);
/* Puts the clock forward to the last thing that is pending, delivering all. */
void fake_deliver_all(void);

#endif
