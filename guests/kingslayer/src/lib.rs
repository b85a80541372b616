//! Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.

use wisted_guest::{Config, Program, export_program};

/// What happens at one event.
trait Handler {
    fn name(&self) -> &str;

    /// Every handler has its own; one that forgets it is told so.
    fn execute(&self) -> Result<(), String> {
        Err(format!(
            "the handler `{}` does nothing: you must override execute",
            self.name()
        ))
    }
}

/// The handlers, in the order in which they were registered.
#[derive(Default)]
struct Events {
    handlers: Vec<Box<dyn Handler>>,
}

impl Events {
    fn register(&mut self, handler: impl Handler + 'static) {
        self.handlers.push(Box::new(handler));
    }

    /// Executes each handler in turn. The first error ends the run.
    fn run(&self) -> Result<(), String> {
        self.handlers
            .iter()
            .try_for_each(|handler| handler.execute())
    }
}

/// A handler that says its line.
struct Say {
    name: &'static str,
    line: &'static str,
}

impl Handler for Say {
    fn name(&self) -> &str {
        self.name
    }

    fn execute(&self) -> Result<(), String> {
        println!("{}: {}", self.name, self.line);
        Ok(())
    }
}

/// A handler that does not override `execute`.
struct Forgetful;

impl Handler for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }
}

#[derive(Default)]
struct Kingslayer {
    events: Events,
}

impl Program for Kingslayer {
    fn start(&mut self, config: &Config) -> Result<(), String> {
        self.events.register(Say {
            name: "oath",
            line: "the guard swears to keep the king",
        });
        self.events.register(Say {
            name: "doubt",
            line: "the king calls for fire",
        });
        self.events.register(Say {
            name: "deed",
            line: "the guard draws his sword",
        });
        if config.get("forget") == Some("true") {
            self.events.register(Forgetful);
        }
        Ok(())
    }

    fn execute(&mut self) -> Result<(), String> {
        self.events.run()
    }
}

export_program!(Kingslayer);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    struct Note(&'static str, Rc<RefCell<Vec<&'static str>>>);

    impl Handler for Note {
        fn name(&self) -> &str {
            self.0
        }

        fn execute(&self) -> Result<(), String> {
            self.1.borrow_mut().push(self.0);
            Ok(())
        }
    }

    #[test]
    fn handlers_run_in_the_order_of_their_registration_until_one_fails() {
        let notes = Rc::default();
        let mut events = Events::default();
        events.register(Note("b", Rc::clone(&notes)));
        events.register(Note("a", Rc::clone(&notes)));
        assert_eq!(events.run(), Ok(()));
        assert_eq!(*notes.borrow(), ["b", "a"]);
        events.register(Forgetful);
        events.register(Note("c", Rc::clone(&notes)));
        assert!(events.run().is_err());
        assert_eq!(*notes.borrow(), ["b", "a", "b", "a"]);
    }

    #[test]
    fn a_handler_without_execute_is_named() {
        let execute = |values: &[(&str, &str)]| {
            let values = values
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            let mut program = Kingslayer::default();
            program
                .start(&Config::new(values))
                .and_then(|()| program.execute())
        };
        assert_eq!(execute(&[]), Ok(()));
        assert_eq!(execute(&[("forget", "false")]), Ok(()));
        let error = execute(&[("forget", "true")]).unwrap_err();
        assert_eq!(
            error,
            "the handler `forgetful` does nothing: you must override execute"
        );
    }
}
