"""A connection to the receiver that strangers cannot hold open or fill: uvicorn bounds neither heads nor their time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTIONS = 1000  # at once; flows.webhook makes room for as many open files
SECONDS = 15.0
"""From the connection, or the end of the call before, to the last byte of a call."""
HEAD_BYTES = 64 << 10
CALL_BYTES = 4 << 20
"""Of a whole call as it comes over the line: chunks may be wrapped in more than they hold."""
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Line(HttpToolsProtocol):
    """uvicorn's protocol with limits."""

    timer: asyncio.TimerHandle | None = None
    came = 0
    """Bytes of this call so far."""
    in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.in_head and self.came > HEAD_BYTES:
            self.transport.write(TOO_LONG)
            self.transport.close()
        elif self.came > CALL_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.begin()

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.stop_timer()
        self.came, self.in_head = 0, True
        super().on_message_complete()

    def begin(self) -> None:
        """The time of a call runs from now."""
        self.stop_timer()
        self.timer = self.loop.call_later(SECONDS, self.transport.abort)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
