"""Protocols that cut what arrives into lines or frames, with bounded buffers; they know nothing of what is in
them."""

from collections.abc import Iterator

from .protocol import Protocol


class LineReceiver(Protocol):
    """Lines, and raw data between them: Twisted's `LineReceiver`. Override `line_received`.

    Lines that arrived before `lose_connection` or `abort_connection` was called are not delivered after it.
    """

    delimiter: bytes = b"\r\n"
    """What ends a line. For lines that end by LF set it to `b"\\n"`."""
    max_length: int = 16_384
    """The longest line in bytes, without its delimiter. Twisted's `MAX_LENGTH`."""

    _buffer: bytearray | None = None
    _raw = False
    _delivering = False
    # Where the search for a delimiter goes on, so that a line that comes one byte at a time is looked through once.
    _searched = 0

    def line_received(self, line: bytes) -> None:
        """A line arrived; without its delimiter."""
        raise NotImplementedError(f"{type(self).__name__} must override line_received")

    def raw_data_received(self, data: bytes) -> None:
        """Bytes arrived in raw mode: see `set_raw_mode`."""
        raise NotImplementedError(f"{type(self).__name__} must override raw_data_received")

    def line_length_exceeded(self, line: bytes) -> None:
        """A line is longer than `max_length`; `line` is what has come of it. The default closes the connection."""
        self.transport.lose_connection()

    def send_line(self, line: bytes) -> None:
        """Sends a line and its delimiter."""
        self.transport.write_many((line, self.delimiter))

    def set_raw_mode(self) -> None:
        """From here on what arrives is given to `raw_data_received`, beginning with what is behind the current
        line."""
        self._raw = True

    def set_line_mode(self, extra: bytes = b"") -> None:
        """Back to lines. `extra` is what arrived in raw mode and is none of it; its lines are delivered soon."""
        self._raw = False
        self._searched = 0
        if self._buffer is None:
            self._buffer = bytearray()
        self._buffer[:0] = extra
        if not self._delivering:
            self._deliver()

    def data_received(self, data: bytes) -> None:
        """Cuts lines; not to be overridden."""
        if self._buffer is None:
            self._buffer = bytearray()
        self._buffer += data
        # A handler that waits is not interrupted by the host, but one that calls `data_received` itself would be.
        if not self._delivering:
            self._deliver()

    def _deliver(self) -> None:
        self._delivering = True
        try:
            while self._buffer and not self.transport.disconnecting:
                if self._raw:
                    data = bytes(self._buffer)
                    self._buffer.clear()
                    self.raw_data_received(data)
                elif not self._deliver_line():
                    break
        finally:
            self._delivering = False

    def _deliver_line(self) -> bool:
        buffer = self._buffer
        assert buffer is not None
        end = buffer.find(self.delimiter, self._searched)
        if end > self.max_length or (end < 0 and len(buffer) > self.max_length + len(self.delimiter) - 1):
            line = bytes(buffer)
            buffer.clear()
            self._searched = 0
            self.line_length_exceeded(line)
            return False
        if end < 0:
            self._searched = max(0, len(buffer) - len(self.delimiter) + 1)
            return False
        line = bytes(buffer[:end])
        del buffer[: end + len(self.delimiter)]
        self._searched = 0
        self.line_received(line)
        return True


class _FrameReceiver(Protocol):
    """What the receivers of frames have in common: a buffer, and who gets the frames."""

    max_length: int = 99_999
    """The longest frame in bytes. Twisted's `MAX_LENGTH`."""

    _buffer: bytearray | None = None
    _delivering = False

    def string_received(self, string: bytes) -> None:
        """A frame arrived; without its length."""
        raise NotImplementedError(f"{type(self).__name__} must override string_received")

    def send_string(self, string: bytes) -> None:
        """Sends a frame."""
        raise NotImplementedError

    def framing_failed(self, reason: str) -> None:
        """What arrived is no frame, or a longer one than `max_length`. The default closes the connection."""
        self.transport.lose_connection()

    def data_received(self, data: bytes) -> None:
        """Cuts frames; not to be overridden."""
        if self._buffer is None:
            self._buffer = bytearray()
        self._buffer += data
        if self._delivering:
            return
        self._delivering = True
        try:
            for frame in self._frames(self._buffer):
                self.string_received(frame)
                if self.transport.disconnecting:
                    break
        finally:
            self._delivering = False

    def _frames(self, buffer: bytearray) -> Iterator[bytes]:
        """Takes whole frames out of the buffer."""
        raise NotImplementedError

    def _fail(self, reason: str) -> None:
        assert self._buffer is not None
        self._buffer.clear()
        self.framing_failed(reason)


class NetstringReceiver(_FrameReceiver):
    """Netstrings, `5:hello,`: Twisted's `NetstringReceiver`. Override `string_received`."""

    def send_string(self, string: bytes) -> None:
        """Sends `string` as a netstring."""
        self.transport.write_many((b"%d:" % len(string), string, b","))

    def _frames(self, buffer: bytearray) -> Iterator[bytes]:
        digits_max = len(str(self.max_length))
        while buffer and not self.transport.disconnecting:
            colon = buffer.find(b":", 0, digits_max + 1)
            digits = bytes(buffer[:colon] if colon >= 0 else buffer[: digits_max + 1])
            if digits and not digits.isdigit() or (len(digits) > 1 and digits.startswith(b"0")):
                return self._fail("a netstring begins with its length in digits")
            if colon < 0 and len(digits) <= digits_max:
                return
            if colon <= 0 or int(digits) > self.max_length:
                return self._fail(f"a netstring may have {self.max_length} bytes")
            end = colon + 1 + int(digits)
            if len(buffer) <= end:
                return
            if buffer[end] != ord(","):
                return self._fail("a netstring ends by a comma")
            frame = bytes(buffer[colon + 1 : end])
            del buffer[: end + 1]
            yield frame


class _IntStringReceiver(_FrameReceiver):
    """Frames that begin with their length as a big-endian number."""

    prefix_length: int
    """Bytes of the number. Twisted's `prefixLength`."""

    def send_string(self, string: bytes) -> None:
        """Sends `string` with its length in front.

        Raises:
            ValueError: When its length is more than the prefix can say.
        """
        if len(string) >= 1 << 8 * self.prefix_length:
            raise ValueError(f"{len(string)} bytes are too many for a length in {self.prefix_length} bytes")
        self.transport.write_many((len(string).to_bytes(self.prefix_length, "big"), string))

    def length_limit_exceeded(self, length: int) -> None:
        """A frame of more than `max_length` is announced. The default closes the connection."""
        self.framing_failed(f"a frame may have {self.max_length} bytes, not {length}")

    def _frames(self, buffer: bytearray) -> Iterator[bytes]:
        prefix = self.prefix_length
        while len(buffer) >= prefix and not self.transport.disconnecting:
            length = int.from_bytes(buffer[:prefix], "big")
            if length > self.max_length:
                buffer.clear()
                return self.length_limit_exceeded(length)
            if len(buffer) < prefix + length:
                return
            frame = bytes(buffer[prefix : prefix + length])
            del buffer[: prefix + length]
            yield frame


class Int32StringReceiver(_IntStringReceiver):
    """Frames with a length of four bytes: Twisted's `Int32StringReceiver`. Override `string_received`."""

    prefix_length = 4


class Int16StringReceiver(_IntStringReceiver):
    """Frames with a length of two bytes: Twisted's `Int16StringReceiver`. Override `string_received`."""

    prefix_length = 2


class Int8StringReceiver(_IntStringReceiver):
    """Frames with a length of one byte: Twisted's `Int8StringReceiver`. Override `string_received`."""

    prefix_length = 1
