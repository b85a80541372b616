// What records look like in the host's log.

package wistedlog

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"wisted.dev/wisted"
	"wisted.dev/wisted/wistedtest"
)

func TestRecordsHaveTheirLevelAndTheirAttributes(t *testing.T) {
	host := wistedtest.NewHost(t)
	log := slog.New(NewHandler(nil))
	log.Log(context.Background(), LevelTrace, "step")
	log.Debug("one")
	log.With("a", 1).WithGroup("g").Info("two", "b", "x y")
	log.Warn("three")
	log.Error("four", "msg", "its own")
	slog.New(NewHandler(slog.LevelWarn)).Info("not kept")
	wanted := []wistedtest.Record{
		{Level: wisted.LevelTrace, Message: "step"},
		{Level: wisted.LevelDebug, Message: "one"},
		{Level: wisted.LevelInfo, Message: `two a=1 g.b="x y"`},
		{Level: wisted.LevelWarn, Message: "three"},
		{Level: wisted.LevelError, Message: `four msg="its own"`},
	}
	if got := host.TakeLog(); !slices.Equal(got, wanted) {
		t.Errorf("got %q", got)
	}
}
