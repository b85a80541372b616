//! The operator's configuration values (`--config KEY=VALUE`); knows nothing of what they mean.

use crate::host;
use alloc::string::String;
use alloc::vec::Vec;

/// The value of `key`, if the operator gave one. To be called from anywhere, at any time: the values don't change
/// while an instance lives.
pub fn get(key: &str) -> Option<String> {
    host::config_get(key)
}

/// All values, sorted by key.
pub fn all() -> Config {
    Config::new(host::config_all())
}

/// The configuration values as `start_factory` and `start` are given them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: Vec<(String, String)>,
}

impl Config {
    /// Makes a configuration of pairs; for tests.
    pub fn new(values: Vec<(String, String)>) -> Config {
        Config { values }
    }

    /// The value of `key`, if there is one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Keys and values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
