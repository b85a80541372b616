/* Whole lines and packets out of bytes that are cut anywhere. Knows nothing of connections. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

void wisted_frames_push(wisted_frames *frames, const void *data, size_t size) {
    size_t kept = frames->end - frames->start;
    if (frames->capacity - frames->end < size) {
        if (frames->start != 0)
            memmove(frames->data, frames->data + frames->start, kept);
        if (frames->capacity < kept + size) {
            /* Doubling: what comes one byte at a time must not be copied each time. */
            size_t wanted = 2 * frames->capacity > kept + size ? 2 * frames->capacity : kept + size;
            frames->data = wisted_reallocate_(frames->data, wanted);
            frames->capacity = wanted;
        }
        frames->start = 0;
        frames->end = kept;
    }
    if (size != 0)
        memcpy(frames->data + frames->end, data, size);
    frames->end += size;
}

/* Takes bytes off the front. */
static wisted_bytes take(wisted_frames *frames, size_t size) {
    wisted_bytes taken = {frames->data + frames->start, size};
    frames->start += size;
    frames->searched = 0;
    if (frames->start == frames->end)
        frames->start = frames->end = 0;
    return taken;
}

wisted_frame_status wisted_frames_line(wisted_frames *frames, size_t max_bytes, wisted_bytes *line) {
    size_t kept = frames->end - frames->start;
    if (kept == 0)
        return WISTED_FRAME_INCOMPLETE;
    const uint8_t *data = frames->data + frames->start;
    const uint8_t *end = memchr(data + frames->searched, '\n', kept - frames->searched);
    frames->searched = kept;
    if (end == NULL) /* A CR at the end may turn out not to be counted. */
        return kept > max_bytes + 1 ? WISTED_FRAME_INVALID : WISTED_FRAME_INCOMPLETE;
    *line = take(frames, (size_t)(end - data) + 1);
    line->size -= line->size > 1 && end[-1] == '\r' ? 2 : 1;
    return line->size > max_bytes ? WISTED_FRAME_INVALID : WISTED_FRAME;
}

wisted_frame_status wisted_frames_netstring(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame) {
    size_t kept = frames->end - frames->start, digits = 0, length = 0;
    const uint8_t *data = frames->data + frames->start;
    for (; digits < kept && data[digits] >= '0' && data[digits] <= '9'; digits++) {
        length = 10 * length + (size_t)(data[digits] - '0');
        if (length > max_bytes || (digits > 0 && data[0] == '0'))
            return WISTED_FRAME_INVALID;
    }
    if (digits == kept)
        return WISTED_FRAME_INCOMPLETE;
    if (digits == 0 || data[digits] != ':')
        return WISTED_FRAME_INVALID;
    if (kept - digits - 1 <= length)
        return WISTED_FRAME_INCOMPLETE;
    if (data[digits + 1 + length] != ',')
        return WISTED_FRAME_INVALID;
    *frame = take(frames, digits + length + 2);
    *frame = (wisted_bytes){frame->data + digits + 1, length};
    return WISTED_FRAME;
}

wisted_frame_status wisted_frames_int32(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame) {
    size_t kept = frames->end - frames->start;
    if (kept < 4)
        return WISTED_FRAME_INCOMPLETE;
    const uint8_t *data = frames->data + frames->start;
    size_t length = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    if (length > max_bytes)
        return WISTED_FRAME_INVALID;
    if (kept - 4 < length)
        return WISTED_FRAME_INCOMPLETE;
    *frame = take(frames, 4 + length);
    *frame = (wisted_bytes){frame->data + 4, length};
    return WISTED_FRAME;
}

wisted_bytes wisted_frames_raw(wisted_frames *frames, size_t max_bytes) {
    size_t kept = frames->end - frames->start;
    if (kept == 0)
        return (wisted_bytes){(const uint8_t *)"", 0};
    return take(frames, kept < max_bytes ? kept : max_bytes);
}

void wisted_frames_free(wisted_frames *frames) {
    free(frames->data);
    *frames = (wisted_frames){0};
}
