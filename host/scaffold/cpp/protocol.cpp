// A protocol: sends back what it receives.
#include <wisted.hpp>

struct Echo : wisted::Protocol {
    void data_received(wisted::Transport transport, wisted::Bytes data) override { transport.write(data); }
};

WISTED_SERVE(Echo)
