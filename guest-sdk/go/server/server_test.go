// What Run makes of factories, without the exports for state.

package server_test

import (
	"fmt"
	"strings"
	"testing"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server"
	"wisted.dev/wisted/wistedtest"
)

type stateful struct{ wisted.FactoryBase }

func (stateful) BuildProtocol(wisted.Address) wisted.Protocol { return nil }
func (stateful) SaveState() []byte                            { return nil }
func (stateful) RestoreState([]byte) error                    { return nil }

func TestStateThatWouldNotBeHandedOverIsAnError(t *testing.T) {
	wistedtest.NewHost(t)
	server.Run(wisted.FactoryFunc(stateful{}.BuildProtocol))
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "run it with stateful.Run") {
			t.Error(said)
		}
	}()
	server.Run(stateful{})
}
