/* Tests of framing, each with the input cut at every place. */
#include <string.h>
#include <wisted_testing.h>

typedef wisted_frame_status taker(wisted_frames *frames, size_t max_bytes, wisted_bytes *frame);

/* Cuts the input in pieces and writes down what comes: frames in brackets, `!` for what is invalid. */
static const char *framed(taker *take, size_t max_bytes, const char *input, size_t size, size_t piece_size) {
    static char out[512];
    size_t length = 0;
    wisted_frames frames = {0};
    bool is_over = false;
    for (size_t at = 0; at < size && !is_over; at += piece_size) {
        wisted_frames_push(&frames, input + at, piece_size < size - at ? piece_size : size - at);
        wisted_bytes frame;
        wisted_frame_status status;
        while ((status = take(&frames, max_bytes, &frame)) == WISTED_FRAME)
            length += (size_t)snprintf(out + length, sizeof out - length, "[%.*s]", (int)frame.size,
                                       (const char *)frame.data);
        is_over = status == WISTED_FRAME_INVALID;
    }
    snprintf(out + length, sizeof out - length, "%s", is_over ? "!" : "");
    wisted_frames_free(&frames);
    return out;
}

static void check(taker *take, size_t max_bytes, const char *input, size_t size, const char *expected) {
    for (size_t piece_size = 1; piece_size <= size; piece_size++)
        WISTED_CHECK_TEXT(framed(take, max_bytes, input, size, piece_size), expected);
}

#define CHECK(take, max_bytes, input, expected) check(take, max_bytes, input, sizeof(input) - 1, expected)

static void kinds_may_change_between_frames(void) {
    wisted_frames frames = {0};
    wisted_bytes frame;
    wisted_frames_push(&frames, "raw 3\nabc2:de,\0\0\0\1x", 19);
    WISTED_CHECK(wisted_frames_line(&frames, 100, &frame) == WISTED_FRAME && frame.size == 5);
    frame = wisted_frames_raw(&frames, 3);
    WISTED_CHECK(frame.size == 3 && memcmp(frame.data, "abc", 3) == 0);
    WISTED_CHECK(wisted_frames_netstring(&frames, 100, &frame) == WISTED_FRAME && frame.data[1] == 'e');
    WISTED_CHECK(wisted_frames_int32(&frames, 100, &frame) == WISTED_FRAME && frame.data[0] == 'x');
    WISTED_CHECK(wisted_frames_raw(&frames, 100).size == 0);
    wisted_frames_free(&frames);
}

static void the_buffer_stays_small(void) {
    wisted_frames frames = {0};
    wisted_bytes frame;
    for (int i = 0; i < 100000; i++) {
        wisted_frames_push(&frames, "0123456789\n01234", 16);
        WISTED_CHECK(wisted_frames_line(&frames, 100, &frame) == WISTED_FRAME);
        while (wisted_frames_line(&frames, 100, &frame) == WISTED_FRAME)
            ;
    }
    WISTED_CHECK(frames.capacity <= 128);
    wisted_frames_free(&frames);
}

static void framed_writes(void) {
    wisted_fake_reset();
    static const wisted_factory nothing = {0};
    wisted_fake_start(&nothing, NULL);
    wisted_transport peer = wisted_peer_connect();
    wisted_transport_write_netstring(peer, "hello, world", 12);
    wisted_transport_write_netstring(peer, "", 0);
    WISTED_CHECK_RECEIVED(peer, "12:hello, world,0:,");
    wisted_transport_write_int32(peer, "ab", 2);
    wisted_bytes received = wisted_peer_received(peer);
    WISTED_CHECK(received.size == 6 && memcmp(received.data, "\0\0\0\2ab", 6) == 0);
    wisted_fake_stop();
}

int main(void) {
    CHECK(wisted_frames_line, 5, "a\r\n\nbc\n\r\nrest", "[a][][bc][]");
    CHECK(wisted_frames_line, 5, "12345\r\n12345\n", "[12345][12345]");
    CHECK(wisted_frames_line, 5, "123456\n", "!");
    CHECK(wisted_frames_line, 5, "1234567", "!");
    CHECK(wisted_frames_netstring, 12, "0:,5:hello,12:hello, world,1:", "[][hello][hello, world]");
    CHECK(wisted_frames_netstring, 12, "13:", "!");
    CHECK(wisted_frames_netstring, 12, "5:hello!", "!");
    CHECK(wisted_frames_netstring, 12, "05:hello,", "!");
    CHECK(wisted_frames_netstring, 12, ":", "!");
    CHECK(wisted_frames_netstring, 12, "a:", "!");
    CHECK(wisted_frames_netstring, 12, "99999999999999999999999999:", "!");
    CHECK(wisted_frames_int32, 5, "\0\0\0\5hello\0\0\0\0\0\0\0\1x\0", "[hello][][x]");
    CHECK(wisted_frames_int32, 5, "\0\0\0\6", "!");
    CHECK(wisted_frames_int32, 5, "\xff\xff\xff\xff", "!");
    kinds_may_change_between_frames();
    the_buffer_stays_small();
    framed_writes();
    wisted_fake_reset();
    return 0;
}
