/* Twisted's Echo server: sends back what it receives. It knows nothing of where connections come from. */
#include <wisted.h>

static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    (void)self;
    wisted_transport_write(transport, data, size);
}

static const wisted_factory echo = {.protocol = {.data_received = data_received}};
WISTED_EXPORT_FACTORY(echo)
