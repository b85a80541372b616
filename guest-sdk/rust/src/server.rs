//! One instance's factory and its protocols by connection: calls the user's handlers, knows nothing of where calls
//! come from. The bindings drive it in a guest, `testing` natively.

use crate::table::Table;
use crate::{CloseReason, Config, Factory, Protocol, StatefulFactory, Transport};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// What an exported factory runs as. Nothing here is borrowed while user code runs, but for the protocol itself,
/// which nobody else can reach.
#[doc(hidden)]
pub struct Server<F: Factory> {
    factory: Cell<Option<F>>,
    protocols: RefCell<Table<Rc<RefCell<F::Protocol>>>>,
}

impl<F: Factory> Server<F> {
    pub const fn new() -> Server<F> {
        Server {
            factory: Cell::new(None),
            protocols: RefCell::new(Table::new()),
        }
    }

    pub fn start(&self, config: Vec<(String, String)>) -> Result<(), String> {
        let mut factory = F::default();
        factory.start_factory(&Config::new(config))?;
        self.factory.set(Some(factory));
        Ok(())
    }

    pub fn stop(&self) {
        if let Some(mut factory) = self.factory.take() {
            factory.stop_factory();
        }
    }

    pub fn save_state(&self) -> Vec<u8>
    where
        F: StatefulFactory,
    {
        let mut factory = self.factory.take().unwrap_or_default();
        let state = factory.save_state();
        self.factory.set(Some(factory));
        state
    }

    pub fn restore_state(&self, state: &[u8]) -> Result<(), String>
    where
        F: StatefulFactory,
    {
        let mut factory = self.factory.take().unwrap_or_default();
        let restored = factory.restore_state(state);
        self.factory.set(Some(factory));
        restored
    }

    pub fn connection_made(&self, connection: u32) {
        let transport = Transport::new(connection);
        let mut factory = self.factory.take().unwrap_or_default();
        let protocol = Rc::new(RefCell::new(factory.build_protocol_for(&transport)));
        self.factory.set(Some(factory));
        self.protocols
            .borrow_mut()
            .insert(connection, protocol.clone());
        protocol.borrow_mut().connection_made(&transport);
    }

    #[inline]
    pub fn data_received(&self, connection: u32, data: &[u8]) {
        if let Some(protocol) = self.protocol(connection) {
            protocol
                .borrow_mut()
                .data_received(&Transport::new(connection), data);
        }
    }

    pub fn read_closed(&self, connection: u32) {
        if let Some(protocol) = self.protocol(connection) {
            protocol
                .borrow_mut()
                .read_closed(&Transport::new(connection));
        }
    }

    pub fn drained(&self, connection: u32) {
        if let Some(protocol) = self.protocol(connection) {
            protocol.borrow_mut().drained(&Transport::new(connection));
        }
    }

    pub fn connection_lost(&self, connection: u32, reason: CloseReason) {
        let protocol = self.protocols.borrow_mut().remove(connection);
        if let Some(protocol) = protocol {
            protocol
                .borrow_mut()
                .connection_lost(&Transport::new(connection), reason);
        }
    }

    fn protocol(&self, connection: u32) -> Option<Rc<RefCell<F::Protocol>>> {
        self.protocols.borrow().get(connection).cloned()
    }
}

impl<F: Factory> Default for Server<F> {
    fn default() -> Server<F> {
        Server::new()
    }
}
