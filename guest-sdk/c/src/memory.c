/* Memory, formatted messages and the table by id. Knows nothing of what they are used for. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *wisted_allocate_(size_t size) {
    return wisted_reallocate_(NULL, size);
}

void *wisted_reallocate_(void *memory, size_t size) {
    void *moved = realloc(memory, size != 0 ? size : 1);
    if (moved == NULL)
        __builtin_trap();
    return moved;
}

void wisted_release_pairs_(host_pairs pairs) {
    for (size_t i = 0; i < pairs.count; i++) {
        wisted_release_(pairs.items[i].name.data, pairs.items[i].name.size);
        wisted_release_(pairs.items[i].value.data, pairs.items[i].value.size);
    }
    wisted_release_(pairs.items, pairs.count);
}

wisted_text wisted_text_of(const char *text) {
    return (wisted_text){text, strlen(text)};
}

void wisted_message_format_(wisted_message *message, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(message->buffer, sizeof message->buffer, format, arguments);
    message->data = message->buffer;
    message->size = size > 0 ? (size_t)size : 0;
    if (message->size >= sizeof message->buffer) {
        message->data = wisted_allocate_(message->size + 1);
        vsnprintf(message->data, message->size + 1, format, again);
    }
    va_end(again);
}

void wisted_message_free_(wisted_message *message) {
    if (message->data != message->buffer)
        free(message->data);
}

/* The place of an id, or the place where it belongs. */
static size_t place(const wisted_table *table, uint32_t id) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void wisted_table_insert_(wisted_table *table, wisted_entry entry) {
    if (table->count == table->capacity) {
        table->capacity = table->capacity != 0 ? 2 * table->capacity : 4;
        table->entries = wisted_reallocate_(table->entries, table->capacity * sizeof *table->entries);
    }
    size_t at = place(table, entry.id);
    memmove(&table->entries[at + 1], &table->entries[at], (table->count - at) * sizeof entry);
    table->entries[at] = entry;
    table->count++;
}

wisted_entry *wisted_table_find_(wisted_table *table, uint32_t id) {
    size_t at = place(table, id);
    return at < table->count && table->entries[at].id == id ? &table->entries[at] : NULL;
}

wisted_entry wisted_table_take_(wisted_table *table, uint32_t id) {
    wisted_entry *found = wisted_table_find_(table, id);
    if (found == NULL)
        return (wisted_entry){0};
    wisted_entry entry = *found;
    table->count--;
    memmove(found, found + 1, (size_t)(&table->entries[table->count] - found) * sizeof entry);
    return entry;
}

void wisted_table_clear_(wisted_table *table) {
    free(table->entries);
    *table = (wisted_table){0};
}
