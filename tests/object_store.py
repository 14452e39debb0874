"""Where the tests' S3 server is: what the fixture ``s3`` gives."""

from typing import Protocol


class S3(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
