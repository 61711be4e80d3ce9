"""A cluster of Dask on loopback, and an object store that is slow and fails now and then."""

import http.client
import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from local.servers import Server, free_port


class Cluster:
    """A scheduler and workers, each a process.

    Args:
        folder: Folder for their logs and files.
        workers: Number of workers.
        environment: Environment of the workers.
        protocol: The protocol between them: tcp, or tls with certificates in the environment.
    """

    def __init__(
        self, folder: Path, workers: int, environment: dict[str, str], protocol: str = "tcp"
    ) -> None:
        port = free_port()
        self.address = f"dask{'+tls' * (protocol == 'tls')}://127.0.0.1:{port}"
        dask = Path(sys.executable).parent / "dask"
        common = ("--host", "127.0.0.1", "--no-dashboard")
        self.scheduler = Server(
            (dask, "scheduler", "--port", str(port), "--protocol", protocol, *common),
            port, folder / "scheduler.log", environment,
        )  # fmt: skip
        self.workers = [
            Server(
                (dask, "worker", f"{protocol}://127.0.0.1:{port}", *common, "--protocol", protocol,
                 "--nthreads", "1", "--no-nanny",
                 "--worker-port", str(own), "--local-directory", folder),
                own, folder / f"worker{number}.log", environment,
            )
            for number, own in enumerate(free_port() for _ in range(workers))
        ]  # fmt: skip

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Run the cluster for the duration of the block."""
        with ExitStack() as stack:
            stack.enter_context(self.scheduler)
            for worker in self.workers:
                worker.begin()
                stack.callback(worker.stop)
            yield self


class FlakyStore:
    """An HTTP server in front of an object store, which refuses a tenth of the requests.

    Args:
        port: The port of the object store.

    Attributes:
        refused: Number of requests that it has refused.
        held: A part of the names of objects that nobody can put until `go_on` is set.
        go_on: The event that such requests wait for.
    """

    def __init__(self, port: int) -> None:
        self.refused = 0
        self.held = ""
        self.go_on = threading.Event()
        self._numbers = itertools.count(1)
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "PUT" and flaky.held and flaky.held in self.path:
                    flaky.go_on.wait()
                number = next(flaky._numbers)
                if number % 10 == 0:
                    flaky.refused += 1
                    if number % 20 == 0:  # the connection breaks
                        self.close_connection = True
                        return
                    self.answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
                    return
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers))
                found = upstream.getresponse()
                headers = dict(found.getheaders())
                self.answer(found.status, headers, found.read())
                upstream.close()

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                length = headers.get("content-length") or headers.get("Content-Length")
                for name, value in headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection",
                                            "date", "server"}:  # fmt: skip
                        self.send_header(name, value)
                is_head = self.command == "HEAD"
                self.send_header("Content-Length", str(length if is_head else len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    @contextmanager
    def running(self) -> Iterator["FlakyStore"]:
        """Serve for the duration of the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
