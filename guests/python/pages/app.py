"""The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody
else."""

import time

import wisted
from wisted import Deferred, Error, Response, config, get_page, sleep

DEFAULT_URLS = ("http://www.example.com/", "http://www.example.org/")


class Pages(wisted.LineReceiver):
    delimiter = b"\n"
    # A longer line ends its connection.
    max_length = 255
    factory: "PagesFactory"

    def connection_made(self) -> None:
        # Kept only so that a peer that has closed its side gets its pages before we close ours.
        self.under_way: list[Deferred[None]] = []

    def line_received(self, line: bytes) -> None:
        if line.startswith(b"echo "):
            # For whoever wants to see that a sleeping neighbour delays nobody.
            return self.send_line(line)
        try:
            self.fetch_and_sleep(waits=line.startswith(b"wait"))
        except Error as error:
            print(clock_time(), error)

    def fetch_and_sleep(self, waits: bool) -> None:
        pages = [self.show_page(url) for url in self.factory.urls]
        if waits:
            # The sequential style: go on when the pages are there.
            for page in pages:
                page.wait()
        else:
            # The callback style: they run after this handler has returned, in order of arrival.
            self.under_way = [page for page in self.under_way if not page.is_ready()] + pages
        for nap in (1, 2):
            print(clock_time(), f"sleeping, {nap} of 2")
            sleep(1)
        print(clock_time(), "awake")
        self.send_line(b"done")

    def show_page(self, url: str) -> Deferred[None]:
        """Fetches a page and, when it is there, prints it and tells the peer."""

        def arrived(page: Response) -> None:
            print(clock_time(), f"{url}: {len(page.body)} bytes: {page.text[:100]!r}")
            self.send_line(f"{url} {len(page.body)}".encode())

        def failed(error: Exception) -> None:
            print(clock_time(), f"{url}: {error}")
            self.send_line(f"{url} error: {error}".encode())

        return get_page(url).add_callbacks(arrived, failed)

    def read_closed(self) -> None:
        for page in self.under_way:
            page.wait()
        self.transport.lose_connection()


class PagesFactory(wisted.Factory):
    protocol = Pages

    def start_factory(self) -> None:
        self.urls = [config.get("url1", DEFAULT_URLS[0]), config.get("url2", DEFAULT_URLS[1])]


def clock_time() -> str:
    """The time of day, UTC."""
    return time.strftime("%H:%M:%S", time.gmtime())


wisted.export(PagesFactory)
