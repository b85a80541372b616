//! A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wisted_guest::{
    Address, CloseReason, Factory, Protocol, StatefulFactory, Transport, export_stateful,
};

/// Nobody may have the room remember more than this.
const LINE_MAX_BYTES: usize = 1024;

/// Who is there, by number.
#[derive(Default)]
struct Room {
    members: BTreeMap<u32, Transport>,
}

impl Room {
    fn tell_others(&self, speaker: u32, line: &[u8]) {
        for (_, member) in self
            .members
            .iter()
            .filter(|(number, _)| **number != speaker)
        {
            member.write_many(&[line, b"\n"]);
        }
    }
}

#[derive(Default)]
struct Chat {
    room: Rc<RefCell<Room>>,
    numbers_given: u32,
}

impl Factory for Chat {
    type Protocol = Speaker;

    fn build_protocol(&mut self, _peer: &Address) -> Speaker {
        self.numbers_given += 1;
        Speaker {
            number: self.numbers_given,
            room: self.room.clone(),
            line: Vec::new(),
        }
    }
}

/// A new build goes on counting, so that no number is given twice while old connections are still there.
impl StatefulFactory for Chat {
    fn save_state(&mut self) -> Vec<u8> {
        self.numbers_given.to_le_bytes().to_vec()
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<(), String> {
        let state = state.try_into();
        let state =
            state.map_err(|_| "the state is not the number of those who came".to_owned())?;
        self.numbers_given = u32::from_le_bytes(state);
        Ok(())
    }
}

struct Speaker {
    number: u32,
    room: Rc<RefCell<Room>>,
    /// What has come of a line that is not complete.
    line: Vec<u8>,
}

impl Speaker {
    fn say(&mut self) {
        // Control characters would let one peer write over another's screen.
        self.line.retain(|byte| !byte.is_ascii_control());
        let mut message = format!("{}: ", self.number).into_bytes();
        message.append(&mut self.line);
        self.room.borrow().tell_others(self.number, &message);
    }
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        let mut room = self.room.borrow_mut();
        let others = room.members.len();
        transport.write(format!(
            "* you are {}, with {others} others here\n",
            self.number
        ));
        room.members.insert(self.number, transport.clone());
        room.tell_others(self.number, format!("* {} joined", self.number).as_bytes());
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > LINE_MAX_BYTES {
                transport.write(format!("* a line may have {LINE_MAX_BYTES} bytes\n"));
                return transport.lose_connection();
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.say();
            }
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: CloseReason) {
        let mut room = self.room.borrow_mut();
        room.members.remove(&self.number);
        room.tell_others(self.number, format!("* {} left", self.number).as_bytes());
    }
}

export_stateful!(Chat);

#[cfg(test)]
mod tests {
    use super::*;
    use wisted_guest::testing::{Peer, Server};

    fn heard(peer: &Peer<Chat>) -> String {
        String::from_utf8(peer.take_received()).unwrap()
    }

    #[test]
    fn everyone_hears_everyone_line_by_line() {
        let server = Server::<Chat>::start(&[]).unwrap();
        let (one, two, three) = (server.connect(), server.connect(), server.connect());
        assert_eq!(
            heard(&one),
            "* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n"
        );
        assert_eq!(heard(&two), "* you are 2, with 1 others here\n* 3 joined\n");
        heard(&three);
        one.send_bytewise(b"hello\r\nhal");
        two.send(b"a\nb\x1b[2J\n");
        one.send(b"f\n");
        assert_eq!(heard(&one), "2: a\n2: b[2J\n");
        assert_eq!(heard(&two), "1: hello\n1: half\n");
        assert_eq!(heard(&three), "1: hello\n2: a\n2: b[2J\n1: half\n");
    }

    #[test]
    fn leaving_is_told_and_nothing_is_sent_to_those_who_left() {
        let server = Server::<Chat>::start(&[]).unwrap();
        let (one, two) = (server.connect(), server.connect());
        heard(&one);
        heard(&two);
        one.close();
        two.send(b"anybody?\n");
        assert_eq!(heard(&two), "* 1 left\n");
        assert_eq!(heard(&one), "");
    }

    #[test]
    fn a_line_is_bounded() {
        let server = Server::<Chat>::start(&[]).unwrap();
        let (one, two) = (server.connect(), server.connect());
        heard(&one);
        heard(&two);
        one.send(&[b'x'; LINE_MAX_BYTES]);
        assert!(!one.is_disconnected());
        one.send(b"\n");
        assert!(one.is_disconnected());
        assert_eq!(heard(&two), "* 1 left\n");
    }
}
