from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chassis.objects import is_unavailable


def _answer(status: int, code: str) -> ClientError:
    response: Mapping[str, Any] = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")  # type: ignore[arg-type]  # the stubs want every key


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://store"),
        ReadTimeoutError(endpoint_url="http://store"),
        aiohttp.ClientPayloadError(),
        TimeoutError(),
        ConnectionResetError(),
        _answer(500, "InternalError"),
        _answer(503, "SlowDown"),
        _answer(403, "InvalidAccessKeyId"),
        _answer(404, "NoSuchBucket"),
    ],
    ids=repr,
)
def test_a_store_that_cannot_serve_is_away(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize("error", [_answer(404, "NoSuchKey"), _answer(400, "InvalidArgument"), KeyError()], ids=repr)
def test_an_answer_about_the_request_is_no_absence(error: Exception) -> None:
    assert not is_unavailable(error)
