// Tests of the protocol, against a fake transport and clock.
#include <wisted_testing.h>

static void it_sends_back_what_it_receives_wherever_it_is_cut() {
    wisted_fake_start(wisted_exported_factory, nullptr);
    wisted_transport peer = wisted_peer_connect();
    wisted_peer_send_bytewise(peer, "hello");
    WISTED_CHECK_RECEIVED(peer, "hello");
    wisted_fake_stop();
}

int main() {
    it_sends_back_what_it_receives_wherever_it_is_cut();
    return 0;
}
