// The program on a fake clock with fake pages.
#include <string.h>
#include <wisted_testing.h>

static const char *const config[] = {"url1", "http://one/", "url2", "http://two/", nullptr};

// The first page takes longer than the second.
static wisted_transport connect_to(const char *const *urls) {
    wisted_fake_reset();
    wisted_fake_respond(300, "http://one/", "one page");
    wisted_fake_respond(100, "http://two/", "two");
    wisted_fake_respond(9000, "http://slow/", "1");
    wisted_fake_fail("http://late/", WISTED_FETCH_TIMEOUT, nullptr, 0);
    wisted_fake_start(wisted_exported_factory, urls);
    return wisted_peer_connect();
}

static void callbacks_run_after_the_handler_in_order_of_arrival() {
    wisted_transport peer = connect_to(config);
    wisted_peer_send_bytewise(peer, "go\n");
    WISTED_CHECK_RECEIVED(peer, "done\nhttp://two/ 3\nhttp://one/ 8\n");
    WISTED_CHECK(wisted_now() == 2000);
    WISTED_CHECK(strstr(wisted_fake_take_log(), "http://two/: 3 bytes: \"two\"\n") != nullptr);
    wisted_fake_stop();
}

static void waiting_has_the_pages_first_in_the_order_asked_for() {
    wisted_transport peer = connect_to(config);
    wisted_peer_send_bytewise(peer, "wait\n");
    WISTED_CHECK_RECEIVED(peer, "http://one/ 8\nhttp://two/ 3\ndone\n");
    WISTED_CHECK(wisted_now() == 2300);
    wisted_fake_stop();
}

static void errors_are_told_and_a_peer_that_closes_gets_its_pages() {
    const char *const urls[] = {"url1", "http://late/", "url2", "http://slow/", nullptr};
    wisted_transport peer = connect_to(urls);
    wisted_peer_send(peer, "\n");
    WISTED_CHECK_RECEIVED(peer, "done\nhttp://late/ error: the request timed out\n");
    wisted_peer_close(peer);
    WISTED_CHECK_RECEIVED(peer, "http://slow/ 1\n");
    WISTED_CHECK(wisted_peer_is_disconnected(peer));
    wisted_fake_stop();
}

static void a_lost_connection_ends_the_naps() {
    wisted_transport peer = connect_to(config);
    wisted_fake_break_waits(WISTED_WAIT_CONNECTION_LOST);
    wisted_peer_send(peer, "\n");
    WISTED_CHECK(strstr((const char *)wisted_peer_received(peer).data, "done\n") == nullptr);
    WISTED_CHECK(wisted_now() == 0);
    WISTED_CHECK(strstr(wisted_fake_take_log(), "gave up waiting: the connection was closed\n") != nullptr);
    wisted_peer_reset(peer);
    wisted_fake_stop();
}

static void a_line_to_be_echoed_is_echoed_at_once() {
    wisted_transport peer = connect_to(config);
    wisted_peer_send_bytewise(peer, "echo hello\n");
    WISTED_CHECK_RECEIVED(peer, "echo hello\n");
    WISTED_CHECK(wisted_now() == 0);
    wisted_fake_stop();
}

int main() {
    callbacks_run_after_the_handler_in_order_of_arrival();
    waiting_has_the_pages_first_in_the_order_asked_for();
    errors_are_told_and_a_peer_that_closes_gets_its_pages();
    a_lost_connection_ends_the_naps();
    a_line_to_be_echoed_is_echoed_at_once();
    return 0;
}
