// The operator's configuration values (--config KEY=VALUE); knows nothing of what they mean.

package wisted

import "iter"

// ConfigValue is the value of key, and whether the operator gave one. To be called from anywhere, at any time: the
// values don't change while an instance lives.
func ConfigValue(key string) (value string, ok bool) { return hostConfigGet(key) }

// ConfigAll is all values.
func ConfigAll() Config { return Config{hostConfigAll()} }

// Config is the configuration values as Start is given them.
type Config struct {
	// Sorted by key.
	values [][2]string
}

// Lookup is the value of key, and whether there is one.
func (c Config) Lookup(key string) (value string, ok bool) {
	for k, v := range c.All() {
		if k == key {
			return v, true
		}
	}
	return "", false
}

// Get is the value of key, or fallback.
func (c Config) Get(key, fallback string) string {
	if value, ok := c.Lookup(key); ok {
		return value
	}
	return fallback
}

// All is the keys and values in the order of the keys.
func (c Config) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, pair := range c.values {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}
