"""How a request ended: what a reply carries, the inbox keeps, and a command's address shows."""

from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from contracts.message import Reply
from contracts.refusal import Problem, Refusal


class Status(StrEnum):
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"  # a bug or exhausted retries: parked, and may yet be redriven


class Outcome(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: Status
    # Where it was made, the reply itself; where it was read, the reply's JSON. None where the answer is only "done".
    reply: Any = None
    problem: Problem | None = None
    replayed: bool = False  # the outcome of an earlier delivery of the same message, told again

    def json_bytes(self) -> bytes:
        return self.model_dump_json().encode()

    @classmethod
    def succeeded(cls, reply: Reply | None) -> Self:
        return cls(status=Status.SUCCEEDED, reply=reply)

    @classmethod
    def refused(cls, refusal: Refusal) -> Self:
        return cls(status=Status.REFUSED, problem=refusal.problem())

    @classmethod
    def failed(cls, code: str, title: str) -> Self:
        return cls(status=Status.FAILED, problem=Problem(code=code, title=title))
