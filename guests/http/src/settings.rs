//! What the operator may configure, with each value's unit in its name, its default and its range.

use wisted_guest::Config;

/// The limits and timeouts of the server. See [`SETTINGS`] for the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a connection may be idle between requests; then it is closed without a word.
    pub idle_timeout_ms: u32,
    /// How long a head may take from its first byte to its last; then 408.
    pub head_timeout_ms: u32,
    /// How long a body may take from the end of its head; then 408.
    pub body_timeout_ms: u32,
    /// The longest request line; then 414.
    pub line_max_bytes: usize,
    /// The longest head, request line included, and the longest trailers; then 431.
    pub head_max_bytes: usize,
    /// The longest body of a request; then 413.
    pub body_max_bytes: u64,
    /// The longest body that is echoed in one piece; longer ones are streamed.
    pub echo_buffer_max_bytes: usize,
    /// The longest body that may be asked for; then 404.
    pub answer_max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        let value = |setting: &Setting| setting.default;
        Settings::with(SETTINGS.each_ref().map(value))
    }
}

impl Settings {
    /// The settings that a configuration makes.
    ///
    /// # Errors
    ///
    /// A text for the operator, when a key is unknown or its value no number or out of range.
    pub fn read(config: &Config) -> Result<Settings, String> {
        let mut values = SETTINGS.each_ref().map(|setting| setting.default);
        for (key, text) in config.iter() {
            let Some(at) = SETTINGS.iter().position(|setting| setting.key == key) else {
                let keys = SETTINGS.each_ref().map(|setting| setting.key).join(", ");
                return Err(format!("unknown configuration key {key}; there are {keys}"));
            };
            let setting = &SETTINGS[at];
            values[at] = text
                .parse()
                .ok()
                .filter(|value| (setting.min..=setting.max).contains(value))
                .ok_or_else(|| {
                    format!(
                        "{key}={text}: a number from {} to {} is expected",
                        setting.min, setting.max
                    )
                })?;
        }
        Ok(Settings::with(values))
    }

    // The values are in range, so that nothing is cut off here: no maximum exceeds 32 bits.
    fn with(values: [u64; SETTINGS.len()]) -> Settings {
        let [
            idle,
            head_timeout,
            body_timeout,
            line,
            head,
            body,
            echo,
            answer,
        ] = values;
        Settings {
            idle_timeout_ms: idle as u32,
            head_timeout_ms: head_timeout as u32,
            body_timeout_ms: body_timeout as u32,
            line_max_bytes: line as usize,
            head_max_bytes: head as usize,
            body_max_bytes: body,
            echo_buffer_max_bytes: echo as usize,
            answer_max_bytes: answer,
        }
    }
}

/// One key of the configuration.
struct Setting {
    key: &'static str,
    default: u64,
    min: u64,
    max: u64,
}

const fn setting(key: &'static str, default: u64, min: u64, max: u64) -> Setting {
    Setting {
        key,
        default,
        min,
        max,
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// In the order of the fields above.
const SETTINGS: [Setting; 8] = [
    setting("idle-timeout-ms", 60_000, 1, DAY_MS),
    setting("head-timeout-ms", 10_000, 1, DAY_MS),
    setting("body-timeout-ms", 60_000, 1, DAY_MS),
    setting("line-max-bytes", 4 << 10, 64, 64 << 10),
    setting("head-max-bytes", 8 << 10, 128, 64 << 10),
    setting("body-max-bytes", 16 << 20, 0, u32::MAX as u64),
    setting("echo-buffer-max-bytes", 64 << 10, 0, 1 << 20),
    setting("answer-max-bytes", 64 << 20, 0, u32::MAX as u64),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Settings, String> {
        Settings::read(&Config::new(vec![(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn each_key_sets_its_own_field() {
        assert_eq!(Settings::read(&Config::default()), Ok(Settings::default()));
        let settings = read("head-timeout-ms", "1234").expect("a good value");
        assert_eq!(settings.head_timeout_ms, 1234);
        for setting in &SETTINGS {
            let settings = read(setting.key, &setting.max.to_string()).expect("the maximum");
            assert_ne!(settings, Settings::default(), "{}", setting.key);
        }
    }

    #[test]
    fn errors_say_what_is_expected() {
        let error = read("timeout", "1").expect_err("an unknown key");
        assert!(
            error.contains("timeout") && error.contains("body-timeout-ms"),
            "{error}"
        );
        for value in ["", "-1", "+", "1s", "63", "65537", "99999999999999999999"] {
            let error = read("line-max-bytes", value).expect_err("a bad value");
            assert!(
                error.contains("line-max-bytes") && error.contains("64 to 65536"),
                "{error}"
            );
        }
    }
}
