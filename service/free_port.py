"""``python -m service.free_port``: a port nobody listens on, for a service that is only visited once."""

import socket
import sys

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{probe.getsockname()[1]}\n")
