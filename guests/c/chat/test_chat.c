/* Tests of the chat room against the fake host. Numbers go on from test to test: the room is the program's. */
#include <string.h>
#include <wisted_testing.h>

static wisted_transport one, two, three;

static void everyone_hears_everyone_line_by_line(void) {
    wisted_fake_start(wisted_exported_factory, NULL);
    one = wisted_peer_connect(), two = wisted_peer_connect(), three = wisted_peer_connect();
    WISTED_CHECK_RECEIVED(one, "* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n");
    WISTED_CHECK_RECEIVED(two, "* you are 2, with 1 others here\n* 3 joined\n");
    wisted_peer_take(three);
    wisted_peer_send_bytewise(one, "hello\r\nhal");
    wisted_peer_send(two, "a\nb\x1b[2J\n");
    wisted_peer_send(one, "f\n");
    WISTED_CHECK_RECEIVED(one, "2: a\n2: b[2J\n");
    WISTED_CHECK_RECEIVED(two, "1: hello\n1: half\n");
    WISTED_CHECK_RECEIVED(three, "1: hello\n2: a\n2: b[2J\n1: half\n");
}

static void leaving_is_told_and_nothing_is_sent_to_those_who_left(void) {
    wisted_peer_close(one);
    wisted_peer_send(two, "anybody?\n");
    WISTED_CHECK_RECEIVED(two, "* 1 left\n");
    WISTED_CHECK_RECEIVED(one, "");
    WISTED_CHECK_RECEIVED(three, "* 1 left\n2: anybody?\n");
}

static void a_line_is_bounded(void) {
    char line[1025];
    memset(line, 'x', 1024);
    line[1024] = '\0';
    wisted_peer_send(three, line);
    WISTED_CHECK(!wisted_peer_is_disconnected(three));
    wisted_peer_send(three, "\n");
    WISTED_CHECK(wisted_peer_is_disconnected(three));
    WISTED_CHECK_RECEIVED(two, "* 3 left\n");
    wisted_fake_stop();
}

static void a_new_build_goes_on_counting(void) {
    wisted_fake_start(wisted_exported_factory, NULL);
    wisted_peer_connect();
    uint8_t copy[64];
    wisted_bytes state = wisted_fake_save_state();
    memcpy(copy, state.data, state.size);
    state.data = copy;
    wisted_fake_stop();
    wisted_fake_start(wisted_exported_factory, NULL);
    WISTED_CHECK(wisted_fake_restore_state(state) == NULL);
    uint32_t before;
    memcpy(&before, copy, sizeof before);
    char greeting[64];
    snprintf(greeting, sizeof greeting, "* you are %u, with 0 others here\n", before + 1);
    WISTED_CHECK_RECEIVED(wisted_peer_connect(), greeting);
    WISTED_CHECK(wisted_fake_restore_state((wisted_bytes){copy, 3}) != NULL);
    wisted_fake_stop();
}

int main(void) {
    everyone_hears_everyone_line_by_line();
    leaving_is_told_and_nothing_is_sent_to_those_who_left();
    a_line_is_bounded();
    a_new_build_goes_on_counting();
    return 0;
}
