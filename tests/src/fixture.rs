//! Variants of the echo server that is written by hand (tests/tests/fixtures/echo.wat).

/// The server itself.
pub const ECHO: &str = include_str!("../tests/fixtures/echo.wat");

/// One that does something when what it receives begins with `!`, before it echoes that. `action` is code in the text format;
/// `functions` are what it calls, if anything.
///
/// # Panics
///
/// When the fixture is no longer as this knows it.
#[must_use]
pub fn echo_that(action: &str, functions: &str) -> String {
    let mut text = ECHO.to_owned();
    let condition = "(i32.eq (i32.load8_u (local.get $data)) (i32.const 33))";
    let made = "(func (export \"connection-made\") (param i32))";
    for (old, new) in [
        (
            "(call $write (local.get $connection)",
            &*format!(
                "(if {condition} (then {action}))\n      (call $write (local.get $connection)"
            ),
        ),
        (
            r#"(import "transport" "write""#,
            r#"(import "buffer" "memory" (memory 1)) (import "transport" "write""#,
        ),
        (
            r#"(with "transport""#,
            r#"(with "buffer" (instance $buffer)) (with "transport""#,
        ),
        (made, &*format!("{functions}\n    {made}")),
    ] {
        assert!(text.contains(old), "the fixture has no {old}");
        text = text.replace(old, new);
    }
    text
}
