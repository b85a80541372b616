// Tests of the chat room against the fake host.
#include <string>
#include <wisted_testing.h>

static void everyone_hears_everyone_line_by_line() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    auto one = wisted_peer_connect(), two = wisted_peer_connect(), three = wisted_peer_connect();
    WISTED_CHECK_RECEIVED(one, "* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n");
    WISTED_CHECK_RECEIVED(two, "* you are 2, with 1 others here\n* 3 joined\n");
    wisted_peer_take(three);
    wisted_peer_send_bytewise(one, "hello\r\nhal");
    wisted_peer_send(two, "a\nb\x1b[2J\n");
    wisted_peer_send(one, "f\n");
    WISTED_CHECK_RECEIVED(one, "2: a\n2: b[2J\n");
    WISTED_CHECK_RECEIVED(two, "1: hello\n1: half\n");
    WISTED_CHECK_RECEIVED(three, "1: hello\n2: a\n2: b[2J\n1: half\n");
    wisted_fake_stop();
}

static void leaving_is_told_and_nothing_is_sent_to_those_who_left() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    auto one = wisted_peer_connect(), two = wisted_peer_connect();
    wisted_peer_take(one);
    wisted_peer_take(two);
    wisted_peer_close(one);
    wisted_peer_send(two, "anybody?\n");
    WISTED_CHECK_RECEIVED(two, "* 1 left\n");
    WISTED_CHECK_RECEIVED(one, "");
    wisted_fake_stop();
}

static void a_line_is_bounded() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    auto one = wisted_peer_connect(), two = wisted_peer_connect();
    wisted_peer_take(two);
    wisted_peer_send(one, std::string(1024, 'x').c_str());
    WISTED_CHECK(!wisted_peer_is_disconnected(one));
    wisted_peer_send(one, "\n");
    WISTED_CHECK(wisted_peer_is_disconnected(one));
    WISTED_CHECK_RECEIVED(two, "* 1 left\n");
    wisted_fake_stop();
}

static void a_new_build_goes_on_counting() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    wisted_peer_connect(), wisted_peer_connect();
    wisted_bytes state = wisted_fake_save_state();
    std::string saved(reinterpret_cast<const char *>(state.data), state.size);
    wisted_fake_stop();
    wisted_fake_start(wisted_exported_factory, nullptr);
    auto give = [](const std::string &text) {
        return wisted_fake_restore_state({reinterpret_cast<const std::uint8_t *>(text.data()), text.size()});
    };
    WISTED_CHECK(give(saved) == nullptr);
    WISTED_CHECK_RECEIVED(wisted_peer_connect(), "* you are 3, with 0 others here\n");
    WISTED_CHECK(give("two") != nullptr && give("") != nullptr);
    wisted_fake_stop();
}

int main() {
    everyone_hears_everyone_line_by_line();
    leaving_is_told_and_nothing_is_sent_to_those_who_left();
    a_line_is_bounded();
    a_new_build_goes_on_counting();
}
