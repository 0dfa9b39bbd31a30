"""
TLS for large bodies: what lies in the socket is read at once, and decrypted in one go.

``ssl.SSLSocket`` asks the socket twice for each record of 16 KiB and returns each by itself; ten thousands of
calls for an engine. Here OpenSSL reads out of memory (``ssl.MemoryBIO``), which takes two thirds of the CPU.
"""

import http.client
import io
import socket
import ssl
from typing import Any

CIPHERTEXT = 256 * 1024
"""Bytes that are read out of the socket at a time."""


class TlsStream:
    """A connected socket with TLS in front: as much of a socket as ``http.client`` asks for."""

    def __init__(self, wire: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._ciphertext = memoryview(bytearray(CIPHERTEXT))
        self._readers, self._closed = 0, False
        self._shake_hands()

    def sendall(self, data: Any) -> None:
        """Send all of ``data``."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self._tls.write(view) :]
        self._flush()

    def recv_into(self, buffer: memoryview) -> int:
        """Fill ``buffer`` with what has arrived, at least a byte; 0 when the peer has ended the stream."""
        read, size, done = self._tls.read, len(buffer), 0
        while True:
            try:
                while done < size:
                    # The stubs say bytes: that is without a buffer.
                    count: int = read(size - done, buffer[done:])  # type: ignore[assignment]
                    if count == 0:
                        return done
                    done += count
            except ssl.SSLWantReadError:
                if not done:
                    self._receive()
                    continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                pass
            return done

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        """Return a file to read from; the socket stays open until it is closed."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float) -> None:
        """Bound each wait for the socket."""
        self._wire.settimeout(seconds)

    def setsockopt(self, level: int, name: int, value: int) -> None:
        """Set an option of the socket, whose bytes are ciphertext."""
        self._wire.setsockopt(level, name, value)

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for ciphertext."""
        return self._wire.fileno()

    def shutdown(self, how: int) -> None:
        """Wake whoever reads from the socket."""
        self._wire.shutdown(how)

    def close(self) -> None:
        """Close the socket, or have the last reader close it."""
        self._closed = True
        if not self._readers:
            self._wire.close()

    def reader_closed(self) -> None:
        """Note that a file of ``makefile`` was closed."""
        self._readers -= 1
        if self._closed:
            self.close()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._receive()
            else:
                self._flush()
                return

    def _receive(self) -> None:
        self._flush()
        count = self._wire.recv_into(self._ciphertext)
        if count:
            self._incoming.write(self._ciphertext[:count])
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._wire.sendall(self._outgoing.read())


class _Reader(io.RawIOBase):
    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.recv_into(memoryview(buffer).cast("B"))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.reader_closed()


class BulkTlsConnection(http.client.HTTPConnection):
    """A connection over ``TlsStream``; like any other, it opens when it is first used."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout)
        self._context = context

    def connect(self) -> None:
        """Connect and shake hands; ``ssl.SSLCertVerificationError`` for a certificate that is not trusted."""
        super().connect()
        wire = self.sock
        try:
            self.sock = TlsStream(wire, self._context, self.host)
        except BaseException:
            self.sock = None
            wire.close()
            raise
