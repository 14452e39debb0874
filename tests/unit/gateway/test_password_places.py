"""Places for password work: fewer while answers are slow, and all of them again when they are not."""

from contextlib import ExitStack, suppress
from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr

from contracts.auth import SignIn
from gateway.passwords import MIN_PLACES, PasswordLimits
from gateway.problems import Problem
from gateway.settings import GatewaySettings


class Places:
    def __init__(self) -> None:
        self.now = 0.0
        settings = GatewaySettings(
            _env_file=None,
            redis_url="redis://127.0.0.1:1/0",
            rabbitmq_url="amqp://127.0.0.1:1",
            gateway_secret="gateway secret of this test, long enough",
            max_password_requests=24,
        )
        self.entrance = MagicMock()
        self.limits = PasswordLimits(
            settings,
            entrance=self.entrance,
            limits=MagicMock(),
            signer=MagicMock(),
            metrics=MagicMock(),
            clock=lambda: self.now,
        )

    def at_once(self, *, seconds: float) -> int:
        """How many sign-ins from addresses of their own are let in together; each then takes *seconds*."""
        request: Any = SignIn(email="anna@example.org", password=SecretStr("correct horse"))
        let_in = 0
        with ExitStack() as stack:
            with suppress(Problem):
                while True:
                    self.entrance.address.return_value = f"192.0.2.{let_in}"
                    stack.enter_context(self.limits.place(MagicMock(), request))
                    let_in += 1
            self.now += seconds
        return let_in


def test_there_are_fewer_places_while_answers_are_slow_and_all_again_when_they_are_not() -> None:
    places = Places()
    slow = [places.at_once(seconds=5) for _ in range(8)]
    assert slow[0] == 24
    assert slow == sorted(slow, reverse=True)
    assert slow[-1] == MIN_PLACES

    quick = [places.at_once(seconds=0.3) for _ in range(40)]
    assert quick == sorted(quick)
    assert quick[-1] == 24


def test_one_address_has_a_quarter_of_them() -> None:
    places = Places()
    places.entrance.address.return_value = "192.0.2.1"
    request: Any = SignIn(email="anna@example.org", password=SecretStr("correct horse"))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(places.limits.place(MagicMock(), request))
        with pytest.raises(Problem) as refused:
            stack.enter_context(places.limits.place(MagicMock(), request))
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
        places.entrance.address.return_value = "192.0.2.2"
        stack.enter_context(places.limits.place(MagicMock(), request))
