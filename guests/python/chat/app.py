"""A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room."""

import wisted
from wisted import Address, CloseReason

# Nobody may have the room remember more than this, the line's end included.
LINE_MAX_BYTES = 1024

# Control characters would let one peer write over another's screen.
CONTROL = bytes(range(32)) + b"\x7f"


class Speaker(wisted.LineReceiver):
    delimiter = b"\n"
    max_length = LINE_MAX_BYTES - 1

    def __init__(self, room: "Room", number: int) -> None:
        self.room = room
        self.number = number

    def connection_made(self) -> None:
        members = self.room.members
        self.send_line(b"* you are %d, with %d others here" % (self.number, len(members)))
        members[self.number] = self
        self.tell_others(b"* %d joined" % self.number)

    def line_received(self, line: bytes) -> None:
        self.tell_others(b"%d: %s" % (self.number, line.translate(None, CONTROL)))

    def line_length_exceeded(self, line: bytes) -> None:
        self.send_line(b"* a line may have %d bytes" % LINE_MAX_BYTES)
        self.transport.lose_connection()

    def connection_lost(self, reason: CloseReason) -> None:
        self.room.members.pop(self.number, None)
        self.tell_others(b"* %d left" % self.number)

    def tell_others(self, line: bytes) -> None:
        for member in self.room.members.values():
            if member is not self:
                member.send_line(line)


class Room(wisted.StatefulFactory):
    def start_factory(self) -> None:
        self.members: dict[int, Speaker] = {}
        self.numbers_given = 0

    def build_protocol(self, peer: Address) -> Speaker:
        self.numbers_given += 1
        return Speaker(self, self.numbers_given)

    def save_state(self) -> bytes:
        """A new build goes on counting, so that no number is given twice while old connections are still there."""
        return b"%d" % self.numbers_given

    def restore_state(self, state: bytes) -> None:
        if not state.isdigit():
            raise wisted.Error("the state is not the number of those who came")
        self.numbers_given = int(state)


wisted.export(Room)
