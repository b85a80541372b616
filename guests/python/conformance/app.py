"""Does on command whatever the SDK can do: tests/conformance/PROTOCOL.md lists the commands. It must not know what is
tested."""

import wisted
from wisted import CloseReason, Deferred, FetchError, Protocol, Response, WaitError, config, log


class Netstrings(wisted.NetstringReceiver):
    string_received = wisted.NetstringReceiver.send_string


class Int32Strings(wisted.Int32StringReceiver):
    string_received = wisted.Int32StringReceiver.send_string


class Conformance(wisted.LineReceiver):
    factory: "ConformanceFactory"
    delimiter = b"\n"
    raw_bytes = 0
    frames: Protocol | None = None
    drained_is_awaited = False

    def line_received(self, line: bytes) -> None:
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        try:
            self.perform(word, rest)
        except (ValueError, KeyError) as error:
            self.say(f"error {error}")
        except WaitError:
            pass

    def perform(self, word: str, rest: str) -> None:
        first, _, second = rest.partition(" ")
        transport = self.transport
        match word:
            case "echo":
                self.raw_bytes = number(rest)
                if self.raw_bytes > 0:
                    self.set_raw_mode()
            case "line":
                self.say(rest)
            case "many":
                transport.write_many(b"%d\n" % piece for piece in range(number(rest)))
            case "lose":
                self.say("bye")
                transport.lose_connection()
            case "abort":
                transport.abort_connection()
            case "shutdown":
                self.say("half")
                transport.shutdown_write()
            case "pause":
                transport.pause_reading()
                wisted.call_later(seconds(rest), self.resume)
            case "later":
                wisted.call_later(seconds(first), self.say, f"later {second}")
            case "cancel":
                call = wisted.call_later(seconds(rest), log.warn, "a cancelled call was made")
                self.say(f"cancelled {str(call.cancel()).lower()}\ncancelled {str(call.cancel()).lower()}")
            case "sleep":
                wisted.sleep(seconds(rest))
                self.say("slept")
            case "wait":
                wisted.call_later(seconds(rest), lambda: None).wait()
                self.say("waited")
            case "fetch" | "fetch-wait":
                for page in [self.tell(wisted.get_page(url)) for url in rest.split()]:
                    if word == "fetch-wait":
                        page.wait()
            case "post":
                self.tell(wisted.request("POST", first, headers={"x-wisted": "1"}, body=second.encode()))
            case "flood":
                for start in range(0, number(rest), 64 << 10):
                    transport.write(b"x" * min(64 << 10, number(rest) - start))
                self.drained_is_awaited = True
            case "buffered":
                self.say(f"buffered {transport.buffered_bytes}")
            case "peer" | "host":
                self.say("%s %s %d" % (word, *getattr(transport, word)))
            case "log":
                log.write(log.Level[first.upper()], second)
                self.say("logged")
            case "random":
                self.say(wisted.random_bytes(number(rest)).hex())
            case "config":
                value = config.get(rest)
                self.say("config" if value is None else f"config {value}")
            case "now":
                self.say(f"now {round(wisted.now() * 1e9)}")
            case "netstring" | "int32":
                self.frames = Netstrings() if word == "netstring" else Int32Strings()
                self.frames.make_connection(transport)
                self.set_raw_mode()
            case "keep":
                self.factory.kept = rest
                self.say("kept")
            case "recall":
                self.say(f"recalled {self.factory.kept}" if self.factory.kept else "recalled")
            case "trap":
                raise RuntimeError("a trap was asked for")
            case _:
                raise ValueError(f"unknown command: {word}")

    def raw_data_received(self, data: bytes) -> None:
        if self.frames is not None:
            return self.frames.data_received(data)
        self.transport.write(data[: self.raw_bytes])
        rest = data[self.raw_bytes :]
        self.raw_bytes -= len(data) - len(rest)
        if self.raw_bytes == 0:
            self.set_line_mode(rest)

    def read_closed(self) -> None:
        self.say("read-closed")
        self.transport.lose_connection()

    def drained(self) -> None:
        if self.drained_is_awaited:
            self.say("drained")
        self.drained_is_awaited = False

    def connection_lost(self, reason: CloseReason) -> None:
        log.info(f"lost {reason.kind}")

    def say(self, text: str) -> None:
        self.send_line(text.encode())

    def resume(self) -> None:
        self.transport.resume_reading()
        self.say("resumed")

    def tell(self, page: Deferred[Response]) -> Deferred[None]:
        def failed(error: Exception) -> None:
            self.say(f"page error {error.kind if isinstance(error, FetchError) else error}")

        return page.add_callbacks(lambda page: self.say(f"page {page.status} {len(page.body)}"), failed)


def number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1 << 31:
        raise ValueError(f"not a number up to 2147483648: {text}")
    return int(text)


def seconds(text: str) -> float:
    return number(text) / 1000


class ConformanceFactory(wisted.StatefulFactory):
    protocol = Conformance
    kept = ""
    """What a successor takes over."""

    def save_state(self) -> bytes:
        return self.kept.encode()

    def restore_state(self, state: bytes) -> None:
        if state == b"spoilt":
            raise wisted.Error("the state is spoilt")
        self.kept = state.decode()

    def stop_factory(self) -> None:
        log.info("stopped")


wisted.export(ConformanceFactory)
