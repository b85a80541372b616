//! Bytes of a large `data-received` that still wait at their socket: they are read into the guest's memory, and not by way of a
//! buffer of the host's, from which they would have to be copied. Knows no socket but as a [`DirectWire`].

use std::mem::MaybeUninit;
use std::sync::Arc;

use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, Lower, TypedFunc};
use wasmtime::{Result, ValRaw};

use super::contract;
use super::exchange::{Call, ConnectionNumber, Exchange, LimitHit};
use crate::core::DirectWire;

/// A `list<u8>` that comes from a socket while it is lowered. Only for a call that cannot be suspended meanwhile: between learning
/// how much waits and reading it nothing else may happen to the connection.
pub(super) struct Waiting {
    pub wire: Arc<dyn DirectWire>,
    /// So many bytes wait, and nobody else reads them.
    pub bytes: usize,
}

/// `data-received`, called with such a list.
pub(super) type Handler = TypedFunc<(ConnectionNumber, Waiting), ()>;

/// Where a component has it.
pub(super) fn handler_of(component: &Component) -> Option<ComponentExportIndex> {
    let interface = contract::qualified("connection-handler");
    let interface = component.get_export_index(None, &interface)?;
    component.get_export_index(Some(&interface), "data-received")
}

impl Waiting {
    /// Reads into memory that the guest allocates for it. Returns where it lies and how much it is.
    fn read<T>(&self, cx: &mut LowerContext<'_, T>) -> Result<(usize, usize)> {
        const ALIGN: u32 = 1;
        let mut address = cx.realloc(0, 0, ALIGN, self.bytes)?;
        // It has checked that so much memory is there.
        let read = self
            .wire
            .receive(&mut cx.as_slice_mut()[address..][..self.bytes]);
        if read == 0 {
            return Err(nothing_came(self.bytes).into());
        }
        if read < self.bytes {
            address = cx.realloc(address, self.bytes, ALIGN, read)?;
        }
        Ok((address, read))
    }
}

/// What waits at a socket is there until it is read, even when the peer resets the connection meanwhile: only a system that does
/// not keep this comes here. The contract says that no data are empty, so there is nothing to go on with.
pub(super) fn nothing_came(bytes: usize) -> LimitHit {
    LimitHit(format!(
        "{bytes} bytes waited at the connection's socket, and then they were not there"
    ))
}

impl Exchange {
    /// For a handler that may be suspended before it has taken its data: they are read now.
    pub(super) fn without_waiting(&self, call: Call) -> Result<Call, LimitHit> {
        let Call::DataWaiting(number, mut buffer, bytes) = call else {
            return Ok(call);
        };
        let into = buffer.get_mut(..bytes);
        match (self.wire(number), into) {
            (Some(wire), Some(into)) => match wire.receive(into) {
                0 => Err(nothing_came(bytes)),
                read => Ok(Call::DataReceived(number, buffer, read)),
            },
            _ => Err(nothing_came(bytes)),
        }
    }
}

// SAFETY: it is lowered to what a list of bytes is lowered to: a pointer to so many bytes, all of which were allocated by the guest
// for this list, and the count.
#[allow(unsafe_code)]
unsafe impl ComponentType for Waiting {
    type Lower = <[u8] as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <[u8] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Lower for Waiting {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        flat: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let (address, length) = self.read(cx)?;
        // Always 64 bits wide: what does not look at the upper half gets a lower one that is right.
        flat.write([address, length].map(|value| ValRaw::i64(value as i64)));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        let (address, length) = self.read(cx)?;
        for (at, value) in [(offset, address), (offset + 4, length)] {
            *cx.get(at) = u32::try_from(value)?.to_le_bytes();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Weak;

    use wasmtime::component::{Instance, Linker};
    use wasmtime::{Engine, Store};

    use super::super::exchange::Shared;
    use super::*;
    use crate::core::Sent;
    use crate::limits::Limits;

    /// A wire from which the first so many bytes of a text come.
    #[derive(Debug)]
    struct Text(usize);

    impl DirectWire for Text {
        fn send(&self, _: &[u8]) -> Sent {
            Sent::Full
        }

        fn receive(&self, into: &mut [u8]) -> usize {
            let text = &b"what waits at a socket"[..self.0];
            into[..text.len()].copy_from_slice(text);
            text.len()
        }
    }

    /// Returns the list that it was given, and how long its allocator has last made a piece of memory that was there.
    const GUEST: &str = r#"
        (component
          (core module $m
            (memory (export "memory") 1)
            (global $resized (export "resized") (mut i32) (i32.const 0))
            (func (export "realloc") (param $old i32) (param $size i32) (param i32) (param $new i32) (result i32)
              (if (i32.eqz (local.get $old)) (then (return (i32.const 65500))))
              (if (i32.ne (local.get $old) (i32.const 65500)) (then (unreachable)))
              (if (i32.ne (local.get $size) (i32.const 22)) (then (unreachable)))
              (global.set $resized (local.get $new))
              (local.get $old))
            (func (export "take") (param i32 i32 i32) (result i32)
              (i32.store (i32.const 16) (local.get 1))
              (i32.store (i32.const 20) (local.get 2))
              (i32.store (i32.const 24) (global.get $resized))
              (i32.const 16)))
          (core instance $i (instantiate $m))
          (func (export "take") (param "connection" u32) (param "data" (list u8)) (result (tuple (list u8) u32))
            (canon lift (core func $i "take") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;

    /// What the guest has taken of so many bytes, of which so many come.
    fn taken(bytes: usize, come: usize) -> Result<(Vec<u8>, u32)> {
        let engine = Engine::default();
        let component = Component::new(&engine, GUEST)?;
        let mut store = Store::new(&engine, ());
        let instance: Instance = Linker::new(&engine).instantiate(&mut store, &component)?;
        let take = instance
            .get_typed_func::<(ConnectionNumber, Waiting), ((Vec<u8>, u32),)>(&mut store, "take")?;
        let wire = Arc::new(Text(come));
        let (taken,) = take.call(&mut store, (7, Waiting { wire, bytes }))?;
        Ok(taken)
    }

    #[test]
    fn what_waits_is_read_into_the_guest_s_memory() {
        let (data, resized) = taken(22, 22).unwrap();
        assert_eq!(data, b"what waits at a socket");
        assert_eq!(resized, 0);
    }

    #[test]
    fn fewer_bytes_than_waited_are_a_shorter_list() {
        let (data, resized) = taken(22, 10).unwrap();
        assert_eq!(data, b"what waits");
        assert_eq!(resized, 10);
    }

    #[test]
    fn an_empty_list_is_never_made() {
        let error = taken(22, 0).unwrap_err();
        assert!(error.is::<LimitHit>(), "{error:#}");
        assert!(error.to_string().starts_with("22 bytes waited"), "{error}");
    }

    #[test]
    fn an_allocator_that_points_past_the_memory_is_an_error() {
        let error = taken(37, 22).unwrap_err();
        assert!(format!("{error:#}").contains("realloc"), "{error:#}");
    }

    #[test]
    fn a_handler_that_may_be_suspended_gets_it_in_the_buffer() {
        let shared = Shared::new(Arc::new(Limits::default()));
        let mut exchange = shared.lock();
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let wires = [22, 10, 0].map(|come| Arc::new(Text(come)));
        let mut call = |wire: Weak<Text>| {
            let number = exchange.connection_made(7, peer, None, wire);
            exchange.without_waiting(Call::DataWaiting(number, vec![0; 30], 22))
        };
        for (wire, data) in wires.iter().zip(["what waits at a socket", "what waits"]) {
            let call = call(Arc::downgrade(wire)).unwrap();
            let Call::DataReceived(_, buffer, length) = call else {
                panic!("{call:?}");
            };
            assert_eq!(&buffer[..length], data.as_bytes());
        }
        assert!(call(Arc::downgrade(&wires[2])).is_err());
        assert!(call(Weak::new()).is_err());
    }
}
