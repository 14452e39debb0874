"""The outcome of a request: in the reply, in the inbox, and at a command's address."""

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, WithJsonSchema, create_model
from pydantic_core import from_json

from contracts.message import Query, Reply
from contracts.raw_json import RawJson, json_bytes
from contracts.refusal import Problem, Refusal

# How long the inbox keeps outcomes: a repeat of the request gets the first one, and a command's address is answered.
OUTCOME_DAYS = 7


class Status(StrEnum):
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"  # a bug or exhausted retries: the message is parked and may be redriven


class Outcome(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: Status
    # The reply's JSON; None where the answer is only "done".
    reply: Annotated[RawJson | None, WithJsonSchema({"default": None, "title": "Reply"})] = None
    problem: Problem | None = None
    replayed: bool = False  # the outcome of an earlier delivery of the same message

    def json_bytes(self) -> bytes:
        return json_bytes(self)

    def parsed(self) -> Any:
        """The reply's JSON, parsed."""
        return None if self.reply is None else from_json(self.reply)

    @classmethod
    def succeeded(cls, reply: Reply | None) -> Self:
        return cls(status=Status.SUCCEEDED, reply=None if reply is None else reply.json_bytes())

    @classmethod
    def refused(cls, refusal: Refusal) -> Self:
        return cls(status=Status.REFUSED, problem=refusal.problem())

    @classmethod
    def failed(cls, code: str, title: str) -> Self:
        return cls(status=Status.FAILED, problem=Problem(code=code, title=title))


class CommandOutcome(Reply):
    """A command's outcome from the inbox; None while the command has not been carried out."""

    outcome: Outcome | None


Fingerprint = Annotated[str, StringConstraints(max_length=64)]


class GetOutcome(Query[CommandOutcome]):
    """How one of the caller's commands ended."""

    command_id: UUID
    fingerprint: Fingerprint | None = None  # of the request, if it had an idempotency key


@cache
def outcome_query(worker: str) -> type[GetOutcome]:
    """*worker*'s own ``GetOutcome``: each worker is asked for its own commands, whose outcomes are in its inbox."""
    query = create_model(
        f"Get{worker.capitalize()}Command", __base__=GetOutcome, __module__=__name__, __doc__=GetOutcome.__doc__
    )
    query.wire_name = f"autograph.{worker}.get_command.v1"
    return query
