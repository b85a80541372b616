// A factory that has state is run with the exports for it.

package stateful_test

import (
	"testing"

	"wisted.dev/wisted"
	"wisted.dev/wisted/server/stateful"
	"wisted.dev/wisted/wistedtest"
)

type factory struct{ wisted.FactoryBase }

func (factory) BuildProtocol(wisted.Address) wisted.Protocol { return nil }
func (factory) SaveState() []byte                            { return nil }
func (factory) RestoreState([]byte) error                    { return nil }

func TestItRuns(t *testing.T) {
	wistedtest.NewHost(t)
	stateful.Run(factory{})
}
