// Twisted's Echo server: sends back what it receives. It knows nothing of where connections come from.
#include <wisted.hpp>

struct Echo : wisted::Protocol {
    void data_received(wisted::Transport transport, wisted::Bytes data) override { transport.write(data); }
};

WISTED_SERVE(Echo)
