//! A real browser: headless Chromium, told what to do in the DevTools protocol over a pipe, so that it needs neither a port nor a
//! driver. Clicks are those of a mouse at a place of the page.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::PATIENCE;
use crate::host::Scratch;
use crate::programs::program;

/// A browser with one page. It is killed when it is dropped.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: String,
    next_id: u64,
    /// What happened in the page: requests, errors, exceptions.
    events: Vec<Value>,
    _profile: Scratch,
}

/// Every method panics when the browser does not do its part within [`PATIENCE`].
#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Browser {
    /// Starts Chromium, with an empty page.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Self {
        let chromium = program("chromium", "chromium");
        let profile = Scratch::new();
        // Chromium reads commands from descriptor 3 and answers on 4, each ended by a null character.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 >/dev/null </dev/null"#])
            .arg(chromium)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-first-run",
            ])
            // Tests run as root, too, and where /dev/shm is small.
            .args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        let commands = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|bytes| bytes > 0)
            {
                message.pop();
                let value = serde_json::from_slice(&message).unwrap_or(Value::Null);
                message.clear();
                if tell.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            answers,
            session: String::new(),
            next_id: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        let session = attached["sessionId"].as_str().expect("a session");
        browser.session = session.to_owned();
        for part in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{part}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command of the DevTools protocol and returns its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let message = format!("{command}\0");
        self.commands
            .write_all(message.as_bytes())
            .expect("Chromium lives");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left);
            let answer = answer.unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Shows a window of this size, as a phone or another screen would.
    pub fn resize(&mut self, width: u32, height: u32, is_phone: bool) {
        let metrics = json!({
            "width": width, "height": height, "mobile": is_phone,
            "deviceScaleFactor": if is_phone { 2 } else { 1 },
        });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// As a person who has set their system to dark or light.
    pub fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [feature] }),
        );
    }

    /// Goes to a page.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", &json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.wait_until(&format!(
            "location.href === {url:?} && document.readyState === 'complete'"
        ));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", &parameters);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result:#}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        // Looked at with each frame that the page draws, or nearly.
        let next = format!("new Promise((told) => setTimeout(() => told(!!({expression})), 20))");
        while self.evaluate(&next) != true {
            if Instant::now() > deadline {
                let text = self.evaluate("document.body.innerText");
                let text = text.as_str().unwrap_or_default().to_owned();
                panic!(
                    "not so: {expression}; events: {:?}; the page:\n{text}",
                    self.complaints()
                );
            }
        }
    }

    /// Clicks into the middle of the element, which must be where a mouse can get at it.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let place = self.evaluate(&format!(
            "(() => {{
                const node = document.querySelector({selector:?});
                if (!node) return 'there is none';
                node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const box = node.getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                return node.contains(document.elementFromPoint(x, y)) ? {{ x, y }} : 'it is covered';
            }})()"
        ));
        assert!(place.is_object(), "{selector}: {place}");
        for kind in ["mousePressed", "mouseReleased"] {
            let mut event = place.clone();
            event["type"] = json!(kind);
            event["button"] = json!("left");
            event["clickCount"] = json!(1);
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key, such as `Tab` or `Enter`.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            _ => (0, ""),
        };
        let mut event = json!({
            "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text,
        });
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// The whole page as a PNG, in base 64.
    #[must_use]
    pub fn screenshot(&mut self) -> String {
        let whole = json!({ "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", &whole);
        picture["data"].as_str().expect("a picture").to_owned()
    }

    /// Exceptions and errors in the page so far, such as what its security policy has refused.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        let complaints = self.events.iter().filter(is_complaint);
        complaints
            .map(|event| event["params"].to_string())
            .collect()
    }

    /// Everything that the page has asked for so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let requests = self.events.iter();
        let requests = requests.filter(|event| event["method"] == "Network.requestWillBeSent");
        let url = |event: &Value| {
            event["params"]["request"]["url"]
                .as_str()
                .map(str::to_owned)
        };
        requests.filter_map(url).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
