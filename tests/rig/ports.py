"""Free ports that stay ours: reserved by a bound socket that never listens."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def reserve_port() -> socket.socket:
    """Return a socket that holds a free loopback port until it is closed.

    Linux lets a server bind the same port beside it as long as both have SO_REUSEADDR and only one listens. Until then
    a connection is refused, and neither another test nor an outgoing connection is given the port. The option is set
    after `bind`, for with it `bind` could hand out a port that another reservation holds.
    """
    reservation = socket.socket()
    reservation.bind((LOOPBACK, 0))
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return reservation


def port_of(reservation: socket.socket) -> int:
    """Return the number of the reserved port."""
    port: int = reservation.getsockname()[1]
    return port
