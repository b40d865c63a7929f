"""A page on your own machine, for a photo and the points on it: python -m specialists.serve --run RUN."""

import contextlib
import socket

from data.errors import Parser, UsageError, command

PORT = 5006
LOOPBACK = ("127.0.0.1", "localhost")


def make_server(predictor, address="127.0.0.1", port=PORT):
    """A Bokeh server that answers at `address` and has not started to listen in its loop.

    Args:
        predictor: `Predictor`.
        address: of the network interface; the default is reached from this machine only.
        port: 0 = any that is free.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    from bokeh.server.server import Server

    from specialists.serve_app import LIMIT, Page

    port = _free_port(address, port)
    return Server(
        {"/": lambda document: Page(predictor).add_to(document)},
        address=address,
        port=port,
        # A page of another site that is open in the same browser cannot ask.
        allow_websocket_origin=[f"{name}:{port}" for name in (LOOPBACK if address in LOOPBACK else (address,))],
        websocket_max_message_size=LIMIT * 4 // 3 + 1_000_000,
        unused_session_lifetime_milliseconds=60_000,
    )


def _free_port(address, port):
    """The port, any free one for 0. Raises UsageError where it is taken, or the address is not this machine's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            wanted = f"an IPv4 address of this machine and a free port; received {address} and {port}"
            raise UsageError(f"--address, --port: expected {wanted}: {error.strerror or error}") from error
        return probe.getsockname()[1]


def serve(predictor, address, port, show=False):
    """Serve until Ctrl-C or SIGTERM."""
    server = make_server(predictor, address, port)
    server.start()
    print(f"http://{address}:{server.port}/ (Ctrl-C ends it)", flush=True)
    if show:
        server.io_loop.add_callback(server.show, "/")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.io_loop.start()
    finally:
        server.stop()


def main(argv=None):
    parser = Parser(prog="python -m specialists.serve", description=__doc__)
    add = parser.add_argument
    add("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    add("--address", default="127.0.0.1", help="of the network interface (default: %(default)s, this machine only)")
    add("--port", type=int, default=PORT, metavar="N", help="0 = any free one (default: %(default)s)")
    add("--convention", metavar="NAME", help="how the points are drawn, such as fifteen or four (default: the first)")
    add("--open", action="store_true", help="show the page in the browser")
    a = parser.parse_args(argv)
    if not 0 <= a.port < 65536:
        raise UsageError(f"--port: expected 0 to 65535; received {a.port}")
    from specialists.predictor import Predictor

    serve(Predictor(a.run, a.convention), a.address, a.port, a.open)


if __name__ == "__main__":
    command(main)
