// Twisted's Echo server: sends back what it receives.

package main

import (
	"wisted.dev/wisted"
	"wisted.dev/wisted/server"
)

type echo struct{ wisted.ProtocolBase }

func (*echo) DataReceived(t *wisted.Transport, data []byte) { t.Write(data) }

func newEcho(wisted.Address) wisted.Protocol { return new(echo) }

func main() { server.Run(wisted.FactoryFunc(newEcho)) }
