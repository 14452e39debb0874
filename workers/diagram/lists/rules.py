"""Rules for lists; pure functions."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from contracts.refusal import FieldError, Invalid


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of the calendar in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def check_moments(**fields: datetime | None) -> None:
    """Refuses moments that are outside the calendar in UTC, in which PostgreSQL stores them.

    Raises ``Invalid``.
    """
    for field, moment in fields.items():
        try:
            if moment is not None:
                _in_utc(moment)
        except ValueError as error:
            raise Invalid(errors=(FieldError(pointer=f"/{field}", code="out_of_range", detail=str(error)),)) from None
