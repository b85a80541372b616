// A handler of log/slog that writes the host's log records; knows nothing of who logs.

// Package wistedlog sends the records of log/slog to the host's log:
//
//	slog.SetDefault(slog.New(wistedlog.NewHandler(nil)))
package wistedlog

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"wisted.dev/wisted"
)

// LevelTrace is the contract's lowest level.
const LevelTrace = slog.Level(-8)

// Handler is a slog.Handler. The host adds the time and the connection, so they are not in the message.
type Handler struct {
	text  slog.Handler
	lines *bytes.Buffer
}

// NewHandler makes a handler for records of this level and above; nil is all, since the operator says what is kept
// (--log).
func NewHandler(level slog.Leveler) *Handler {
	if level == nil {
		level = LevelTrace
	}
	lines := new(bytes.Buffer)
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		// Only the record's own: somebody else's attributes may have the same keys.
		_, isLevel := a.Value.Any().(slog.Level)
		isMessage := a.Key == slog.MessageKey && a.Value.String() == ""
		if len(groups) == 0 && (isLevel && a.Key == slog.LevelKey || isMessage) {
			return slog.Attr{}
		}
		return a
	}}
	return &Handler{slog.NewTextHandler(lines, options), lines}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

// Handle implements slog.Handler. The message stands first, and then the attributes as KEY=VALUE.
func (h *Handler) Handle(ctx context.Context, record slog.Record) error {
	h.lines.Reset()
	message := record.Message
	record.Message, record.Time = "", time.Time{}
	if err := h.text.Handle(ctx, record); err != nil {
		return err
	}
	if attributes := bytes.TrimSpace(h.lines.Bytes()); len(attributes) > 0 {
		message += " " + string(attributes)
	}
	wisted.Log(level(record.Level), message)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &Handler{h.text.WithAttrs(attributes), h.lines}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.text.WithGroup(name), h.lines}
}

func level(level slog.Level) wisted.Level {
	switch {
	case level < slog.LevelDebug:
		return wisted.LevelTrace
	case level < slog.LevelInfo:
		return wisted.LevelDebug
	case level < slog.LevelWarn:
		return wisted.LevelInfo
	case level < slog.LevelError:
		return wisted.LevelWarn
	default:
		return wisted.LevelError
	}
}
