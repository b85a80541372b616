//! The tutorial's event framework: a program that runs by itself, and what its exit code tells.
#![allow(missing_docs)]

use std::process::Output;

use wisted_tests::{host, workspace};

fn run(arguments: &[&str]) -> Output {
    let guest = workspace::guest("kingslayer");
    let mut all = vec![
        "run".as_ref(),
        guest.as_os_str(),
        "--log-format".as_ref(),
        "json".as_ref(),
    ];
    all.extend(arguments.iter().map(std::ffi::OsStr::new));
    host::run(&all)
}

/// Whichever output it is on.
fn everything(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn handlers_run_in_the_order_of_their_registration() {
    let output = run(&[]);
    let text = everything(&output);
    assert!(output.status.success(), "{text}");
    let lines = [
        "oath: the guard swears to keep the king",
        "doubt: the king calls for fire",
        "deed: the guard draws his sword",
    ];
    let places: Vec<_> = lines.iter().map(|line| text.find(line)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} in\n{text}"
    );
    assert!(
        lines.iter().all(|line| text.matches(line).count() == 1),
        "each is printed once:\n{text}"
    );
}

#[test]
fn a_handler_without_execute_is_one_clear_error() {
    let output = run(&["--config", "forget=true"]);
    let text = everything(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(
        text.matches("you must override execute").count(),
        1,
        "{text}"
    );
    assert!(text.contains("forgetful"), "{text}");
    assert!(
        !text.contains("panicked at") && !text.contains("wasm backtrace"),
        "{text}"
    );
}

#[test]
fn a_program_does_not_listen() {
    let output = run(&["--listen", "tcp:127.0.0.1:0"]);
    // Refused or ignored with a warning, but never silently: nobody would answer there.
    let text = everything(&output);
    assert!(
        !output.status.success() || text.contains("listen"),
        "{text}"
    );
}
