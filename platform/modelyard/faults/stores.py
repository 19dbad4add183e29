"""The object store's errors, as a person may see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.errors import FaultNotMade


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what the S3 client raises into an error that says which fault comes first.

    Raises:
        FaultNotMade: the object store does not answer or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, PermissionError, ConnectionError) as error:
        raise FaultNotMade(
            "the object store does not answer as it should", detail=str(error)[:300], next_command="./invoke why"
        ) from error
