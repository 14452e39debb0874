"""Places for password work: fewer while answers are slow, and all of them again when they are not."""

from contextlib import ExitStack, suppress
from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr

from contracts.auth.sessions import SignIn
from gateway.passwords import MIN_SLOTS, PasswordLimits
from gateway.problems import HttpProblem
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
        self.admission = MagicMock()
        self.limits = PasswordLimits(
            settings,
            admission=self.admission,
            limits=MagicMock(),
            signer=MagicMock(),
            metrics=MagicMock(),
            clock=lambda: self.now,
        )

    def at_once(self, *, seconds: float) -> int:
        """How many sign-ins from addresses of their own are let in together; each then takes *seconds*."""
        request: Any = SignIn(email="anna@example.org", password=SecretStr("correct horse"))
        record_sign_in = 0
        with ExitStack() as stack:
            with suppress(HttpProblem):
                while True:
                    self.admission.address.return_value = f"192.0.2.{record_sign_in}"
                    stack.enter_context(self.limits.slot(MagicMock(), request))
                    record_sign_in += 1
            self.now += seconds
        return record_sign_in


def test_there_are_fewer_places_while_answers_are_slow_and_all_again_when_they_are_not() -> None:
    slots = Places()
    slow = [slots.at_once(seconds=5) for _ in range(8)]
    assert slow[0] == 24
    assert slow == sorted(slow, reverse=True)
    assert slow[-1] == MIN_SLOTS

    quick = [slots.at_once(seconds=0.3) for _ in range(40)]
    assert quick == sorted(quick)
    assert quick[-1] == 24


def test_one_address_has_a_quarter_of_them() -> None:
    slots = Places()
    slots.admission.address.return_value = "192.0.2.1"
    request: Any = SignIn(email="anna@example.org", password=SecretStr("correct horse"))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(slots.limits.slot(MagicMock(), request))
        with pytest.raises(HttpProblem) as refused:
            stack.enter_context(slots.limits.slot(MagicMock(), request))
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
        slots.admission.address.return_value = "192.0.2.2"
        stack.enter_context(slots.limits.slot(MagicMock(), request))
