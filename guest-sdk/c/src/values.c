/* Log records, configuration values, randomness and error texts. Knows nothing of what they are about. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wisted_log(wisted_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    wisted_vlog(level, format, arguments);
    va_end(arguments);
}

void wisted_vlog(wisted_level level, const char *format, va_list arguments) {
    wisted_message message;
    wisted_message_format_(&message, format, arguments);
    wisted_host_log(level, message.data, message.size);
    wisted_message_free_(&message);
}

void wisted_log_text(wisted_level level, wisted_text message) {
    wisted_host_log(level, message.data, message.size);
}

const char *wisted_errorf(const char *format, ...) {
    static char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

char *wisted_config_get(const char *key) {
    host_option option;
    wisted_host_config_get(key, strlen(key), &option);
    if (!option.some)
        return NULL;
    char *value = wisted_allocate_(option.text.size + 1);
    memcpy(value, option.text.data, option.text.size);
    value[option.text.size] = '\0';
    wisted_release_(option.text.data, option.text.size);
    return value;
}

wisted_pairs wisted_config_all(void) {
    host_pairs values;
    wisted_host_config_all(&values);
    return (wisted_pairs){(const wisted_pair *)values.items, values.count};
}

const char *wisted_config_find(wisted_pairs config, const char *key) {
    for (size_t i = 0; i < config.count; i++)
        if (strcmp(config.items[i].name.data, key) == 0)
            return config.items[i].value.data;
    return NULL;
}

void wisted_config_free(wisted_pairs config) {
    wisted_release_pairs_((host_pairs){(host_pair *)config.items, config.count});
}

void wisted_random(void *buffer, size_t size) {
    /* The most that the host gives at once. */
    enum { AT_ONCE_MAX = 65536 };
    uint8_t *to = buffer;
    while (size != 0) {
        uint32_t length = size < AT_ONCE_MAX ? (uint32_t)size : AT_ONCE_MAX;
        host_text bytes;
        wisted_host_random(length, &bytes);
        memcpy(to, bytes.data, length);
        wisted_release_(bytes.data, bytes.size);
        to += length;
        size -= length;
    }
}
