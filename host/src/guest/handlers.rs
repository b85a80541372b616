//! The handlers of an instance, twice over: called on a fiber, so that they may suspend, and called plainly, which costs less.
//! Knows which call goes to which handler, not when.

use std::sync::Arc;

use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, TypedFunc};
use wasmtime::{Error, Result, Store};

use super::bindings;
use super::contract::Exports;
use super::exchange::{Call, ConnectionNumber, LimitHit, Returned};
use super::imports::{wit_page, wit_reason};
use super::shortcut::DATA_RECEIVED;
use super::state::GuestState;

/// `data-received` by its [shortcut](super::shortcut): the connection, and how many bytes of data the window shows.
type Shortcut = TypedFunc<(ConnectionNumber, u32), ()>;

/// One way of calling: `$exports` are the bindings generated for it, `$call` is what wasmtime calls it.
macro_rules! handlers {
    ($(#[$doc:meta])* $way:ident, $exports:path, $call:ident, [$($async:tt)?], [$($boxed:tt)*], [$($await:tt)*]) => {
        $(#[$doc])*
        pub(super) mod $way {
            use super::*;
            use $exports as handlers;

            /// Where a component's handlers are, found once for all its instances.
            pub struct Indices {
                pub shortcut: Option<ComponentExportIndex>,
                connection: Option<handlers::connection_handler::GuestIndices>,
                half_close: Option<handlers::half_close_handler::GuestIndices>,
                flow: Option<handlers::flow_handler::GuestIndices>,
                lifecycle: Option<handlers::lifecycle_handler::GuestIndices>,
                program: Option<handlers::program::GuestIndices>,
                timer: Option<handlers::timer_handler::GuestIndices>,
                page: Option<handlers::page_handler::GuestIndices>,
                state: Option<handlers::state_handler::GuestIndices>,
            }

            /// The handlers of one instance, those that were called: finding one takes a while, and most connections end without
            /// timers and pages.
            #[derive(Default)]
            pub struct Handlers {
                shortcut: Option<Shortcut>,
                connection: Option<handlers::connection_handler::Guest>,
                half_close: Option<handlers::half_close_handler::Guest>,
                flow: Option<handlers::flow_handler::Guest>,
                lifecycle: Option<handlers::lifecycle_handler::Guest>,
                program: Option<handlers::program::Guest>,
                timer: Option<handlers::timer_handler::Guest>,
                page: Option<handlers::page_handler::Guest>,
                state: Option<handlers::state_handler::Guest>,
            }

            impl Indices {
                pub fn find(pre: &InstancePre<GuestState>, exports: Exports) -> Result<Self> {
                    macro_rules! find {
                        ($flag:ident, $interface:ident) => {
                            exports
                                .$flag
                                .then(|| handlers::$interface::GuestIndices::new(pre))
                                .transpose()?
                        };
                    }
                    Ok(Self {
                        shortcut: pre.component().get_export_index(None, DATA_RECEIVED),
                        connection: find!(connection, connection_handler),
                        half_close: find!(half_close, half_close_handler),
                        flow: find!(flow, flow_handler),
                        lifecycle: find!(lifecycle, lifecycle_handler),
                        program: find!(program, program),
                        timer: find!(timer, timer_handler),
                        page: find!(page, page_handler),
                        state: find!(state, state_handler),
                    })
                }
            }

            /// Where the handlers of one instance are.
            #[derive(Clone, Copy)]
            pub struct Place<'a> {
                pub indices: &'a Indices,
                pub instance: &'a Instance,
            }

            /// One method for each interface: it has been found, or is found now. The driver asks the guest's exports before it
            /// calls; that an interface is missing is its mistake, and still only ends the instance.
            macro_rules! found {
                ($field:ident, $interface:ident) => {
                    fn $field(
                        &mut self,
                        place: Place<'_>,
                        store: &mut Store<GuestState>,
                        name: &str,
                    ) -> Result<&handlers::$interface::Guest> {
                        if self.$field.is_none() {
                            let indices = place.indices.$field.as_ref();
                            let indices = indices.ok_or_else(|| missing(name))?;
                            self.$field = Some(indices.load(store, place.instance)?);
                        }
                        self.$field.as_ref().ok_or_else(|| missing(name))
                    }
                };
            }

            impl Handlers {
                found!(connection, connection_handler);
                found!(half_close, half_close_handler);
                found!(flow, flow_handler);
                found!(lifecycle, lifecycle_handler);
                found!(program, program);
                found!(timer, timer_handler);
                found!(page, page_handler);
                found!(state, state_handler);

                /// Calls `data-received` with so many bytes, which the window shows.
                $($async)? fn call_shortcut(
                    &mut self,
                    place: Place<'_>,
                    store: &mut Store<GuestState>,
                    number: ConnectionNumber,
                    bytes: u32,
                ) -> Result<()> {
                    let shortcut = match (&self.shortcut, place.indices.shortcut) {
                        (Some(shortcut), _) => shortcut,
                        (None, Some(index)) => {
                            let shortcut = place.instance.get_typed_func(&mut *store, index)?;
                            self.shortcut.insert(shortcut)
                        }
                        (None, None) => return Err(missing(DATA_RECEIVED)),
                    };
                    shortcut.$call(store, (number, bytes))$($await)*
                }

                /// Calls a handler. `place` is always the same instance's.
                pub $($async)? fn call(
                    &mut self,
                    place: Place<'_>,
                    store: &mut Store<GuestState>,
                    call: Call,
                ) -> Result<Returned> {
                    match call {
                        Call::DataReceived(number, buffer, length) => {
                            let handler = self.connection(place, store, "data-received")?;
                            let bytes = &buffer[..length];
                            handler.call_data_received(store, number, bytes)$($await)*?;
                            Ok(Returned::Buffer(buffer))
                        }
                        Call::DataShown(number, buffer, bytes) => {
                            self.call_shortcut(place, store, number, bytes)$($await)*?;
                            Ok(Returned::Buffer(buffer))
                        }
                        call => {
                            $($boxed)*(self.call_other(place, store, call))$($await)*
                        }
                    }
                }

                /// All but what runs for each message: on fibers each of these takes room where it waits, and what is large
                /// takes longer to move and to touch.
                $($async)? fn call_other(
                    &mut self,
                    place: Place<'_>,
                    store: &mut Store<GuestState>,
                    call: Call,
                ) -> Result<Returned> {
                    let name = call.handler();
                    match call {
                        // These are not called by way of here.
                        Call::DataReceived(..) | Call::DataWaiting(..) | Call::DataShown(..) => {}
                        Call::ConnectionMade(number) => {
                            let handler = self.connection(place, store, name)?;
                            handler.call_connection_made(store, number)$($await)*?;
                        }
                        Call::ConnectionLost(number, reason) => {
                            let handler = self.connection(place, store, name)?;
                            let reason = wit_reason(&reason);
                            handler.call_connection_lost(store, number, &reason)$($await)*?;
                        }
                        Call::ReadClosed(number) => {
                            let handler = self.half_close(place, store, name)?;
                            handler.call_read_closed(store, number)$($await)*?;
                        }
                        Call::Drained(number) => {
                            let handler = self.flow(place, store, name)?;
                            handler.call_drained(store, number)$($await)*?;
                        }
                        Call::Start => {
                            let handler = self.lifecycle(place, store, name)?;
                            let origin = Arc::clone(&store.data().origin);
                            let result = handler.call_start(store, &origin.config)$($await)*?;
                            return Ok(Returned::from(result));
                        }
                        Call::Stop => {
                            let handler = self.lifecycle(place, store, name)?;
                            handler.call_stop(store)$($await)*?;
                        }
                        Call::Execute => {
                            let handler = self.program(place, store, name)?;
                            return Ok(Returned::from(handler.call_execute(store)$($await)*?));
                        }
                        Call::SaveState => {
                            let handler = self.state(place, store, name)?;
                            return Ok(Returned::State(handler.call_save_state(store)$($await)*?));
                        }
                        Call::RestoreState(state) => {
                            let handler = self.state(place, store, name)?;
                            let result = handler.call_restore_state(store, &state)$($await)*?;
                            return Ok(Returned::from(result));
                        }
                        Call::TimerFired(number) => {
                            let handler = self.timer(place, store, name)?;
                            handler.call_timer_fired(store, number)$($await)*?;
                        }
                        Call::PageReceived(number, page) => {
                            let handler = self.page(place, store, name)?;
                            let page = wit_page(page);
                            let page = page.as_ref();
                            handler.call_page_received(store, number, page)$($await)*?;
                        }
                    }
                    Ok(Returned::Nothing)
                }
            }
        }
    };
}

handlers!(
    /// On a fiber: the handler may suspend.
    fiber,
    bindings::exports::wisted::reactor,
    call_async,
    [async],
    [Box::pin],
    [.await]
);
handlers!(
    /// On the caller's stack: the handler cannot suspend, not even when its slice of CPU is over.
    plain,
    bindings::plain::exports::wisted::reactor,
    call,
    [],
    [],
    []
);

pub(super) fn missing(name: &str) -> Error {
    LimitHit(format!("the guest has no handler {name}")).into()
}
