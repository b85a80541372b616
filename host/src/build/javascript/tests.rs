//! What package.json may say, and what is said about one that doesn't. Builds themselves are tested with the guests.

use super::*;

fn parse(text: &str) -> Result<Guest, String> {
    Guest::parse(text, "folder".to_owned())
}

fn guest(name: &str, main: &str) -> Result<Guest, String> {
    Ok(Guest {
        name: name.to_owned(),
        main: main.to_owned(),
    })
}

#[test]
fn a_guest_depends_on_the_sdk() {
    let text =
        r#"{ "name": "@me/echo", "main": "main.ts", "dependencies": { "wisted": "file:x" } }"#;
    assert_eq!(parse(text), guest("echo", "main.ts"));
    let text = r#"{ "main": "src/a.js", "dependencies": { "wisted": "1" } }"#;
    assert_eq!(parse(text), guest("folder", "src/a.js"));
    let text = r#"{ "name": "a b/../..", "main": "a.js", "devDependencies": { "wisted": "1" } }"#;
    assert_eq!(parse(text), guest("guest", "a.js"));
}

#[test]
fn what_is_no_guest_is_told_what_it_lacks() {
    let error = |text| parse(text).unwrap_err();
    assert!(error("{").contains("is no JSON"));
    assert!(error(r#"{ "main": "a.js" }"#).contains("a guest depends on wisted"));
    assert!(error(r#"{ "dependencies": { "wisted": "1" } }"#).contains("\"main\": \"main.js\""));
}

#[test]
fn what_is_there_is_not_written_again() {
    let folder = std::env::temp_dir().join(format!("wisted-javascript-{}", std::process::id()));
    let path = folder.join("deep/file");
    write(&path, "one").unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    write(&path, "one").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    write(&path, "two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    fs::remove_dir_all(&folder).unwrap();
}
