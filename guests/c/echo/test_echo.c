/* Tests of the echo server against the fake host. */
#include <string.h>
#include <wisted_testing.h>

static void it_sends_back_what_it_receives_wherever_it_is_cut(void) {
    wisted_fake_start(wisted_exported_factory, NULL);
    wisted_transport one = wisted_peer_connect(), two = wisted_peer_connect();
    wisted_peer_send_bytewise(one, "hello");
    wisted_peer_send_bytes(two, "\0\xff", 2);
    WISTED_CHECK_RECEIVED(one, "hello");
    wisted_bytes received = wisted_peer_received(two);
    WISTED_CHECK(received.size == 2 && memcmp(received.data, "\0\xff", 2) == 0);
    wisted_fake_stop();
}

static void it_closes_when_the_peer_does(void) {
    wisted_fake_start(wisted_exported_factory, NULL);
    wisted_transport peer = wisted_peer_connect();
    wisted_peer_send(peer, "bye");
    wisted_peer_close(peer);
    WISTED_CHECK(wisted_peer_is_disconnected(peer));
    WISTED_CHECK_RECEIVED(peer, "bye");
    wisted_fake_stop();
}

int main(void) {
    it_sends_back_what_it_receives_wherever_it_is_cut();
    it_closes_when_the_peer_does();
    return 0;
}
