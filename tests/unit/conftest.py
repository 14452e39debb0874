"""Unit tests reach nothing outside their process."""

import socket

import pytest


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_socket: socket.socket, address: object) -> None:
        raise AssertionError(f"a unit test connects to {address}: it belongs to tests/integration")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
