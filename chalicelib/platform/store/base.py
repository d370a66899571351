"""The base of every table: one shared client, short time-outs, names with the mall's prefix, typed documents.

A business object that is read and written as a whole is kept as one JSON document in one attribute (see
docs/decisions/0002-documents.md); only keys, counters and what a condition looks at are attributes of their own.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, TypeVar

import botocore.session
import msgspec
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.handlers import generate_idempotent_uuid
from pynamodb.attributes import Attribute
from pynamodb.connection.table import TableConnection
from pynamodb.constants import STRING
from pynamodb.indexes import Index
from pynamodb.models import Model

from chalicelib.core import log, metrics
from chalicelib.core.errors import unavailable
from chalicelib.core.metrics import Metric
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.platform.store import straight
from chalicelib.platform.store.pynamodb_patches import PARSERS

_D = TypeVar("_D", bound=msgspec.Struct)
_T = TypeVar("_T")

_CONNECT_SECONDS = 1.0
_READ_SECONDS = 3.0
_TRIES = 3
_POOL = 32

#: Error codes after which the same request may succeed a moment later. Nothing of it was done.
BUSY_CODES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "TransactionConflictException",
        "TransactionInProgressException",
        "InternalServerError",
        "ServiceUnavailable",
    }
)

_client: BaseClient | None = None
_lock = threading.Lock()


def client() -> BaseClient:
    """Give the one DynamoDB client of this process (PynamoDB would make one per model: 79 ms and 10 MB each)."""
    global _client
    if _client is None:
        with _lock:
            if _client is None:
                _client = new_client(settings().dynamodb_endpoint)
    return _client


def new_client(endpoint: str | None) -> BaseClient:
    """Make a client for DynamoDB at this address, or at AWS's own."""
    # Of botocore's 127 handlers for all services DynamoDB needs one: the others take 7 ms of each cold start.
    session = botocore.session.Session(include_builtin_handlers=False)
    session.register("before-parameter-build.dynamodb.TransactWriteItems", generate_idempotent_uuid)
    session.register_component("response_parser_factory", PARSERS)
    straight.register(session)
    return session.create_client(
        "dynamodb",
        region_name=settings().region,
        endpoint_url=endpoint,
        config=Config(
            parameter_validation=False,  # the models have checked
            user_agent="yutang",  # botocore would put its own together for every call: 0.15 ms
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_POOL,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
        ),
    )


def call(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call DynamoDB. A fault outside becomes `unavailable`; a refused condition stays a ClientError.

    Only requests that do no harm when sent twice may come here: the client itself repeats after a time-out.
    """
    try:
        with segment(f"DynamoDB {operation}"):
            answer: dict[str, Any] = client()._make_api_call(operation, arguments)
        return answer
    except ClientError as fault:
        if fault.response["Error"]["Code"] in BUSY_CODES:
            log.warning("dynamodb_busy", operation=operation, reason=fault.response["Error"]["Code"])
            metrics.add(Metric.DYNAMODB_BUSY)
            raise unavailable() from fault
        raise
    except (ConnectionError, HTTPClientError, NoCredentialsError) as fault:
        log.warning("dynamodb_unreachable", operation=operation, reason=type(fault).__name__)
        raise unavailable() from fault
    except BotoCoreError as fault:
        log.error("dynamodb_failed", fault, operation=operation)
        raise


class Table(Model):
    """Base of every model. A subclass has `class Meta(TableMeta): table_name = name("orders")`."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        connection: TableConnection = super()._get_connection()
        connection.connection._client = client()  # private, held by a test
        return connection


def hash_key(keys: type[Table] | Index[Any]) -> Attribute[str]:
    """Give the hash key of a table or an index."""
    attribute: Attribute[str] = keys._hash_key_attribute()  # type: ignore[no-untyped-call]
    return attribute


def range_key(table: type[Table]) -> Attribute[str] | None:
    """Give the range key of a table, if it has one."""
    attribute: Attribute[str] | None = table._range_key_attribute()  # type: ignore[no-untyped-call]
    return attribute


class TableMeta:
    """What all tables share; billing on demand."""

    region = settings().region
    host = settings().dynamodb_endpoint
    connect_timeout_seconds = _CONNECT_SECONDS
    read_timeout_seconds = _READ_SECONDS
    max_retry_attempts = _TRIES - 1
    max_pool_connections = _POOL
    billing_mode = "PAY_PER_REQUEST"


def name(table: str) -> str:
    """Give the table's name in DynamoDB."""
    return settings().table_prefix + table


class Document(Attribute[_D]):
    """A msgspec struct kept as JSON text. Reading a document that an older version wrote fills in defaults."""

    attr_type = STRING

    def __init__(self, struct: type[_D], **options: Any) -> None:
        super().__init__(**options)
        self._struct = struct

    def serialize(self, value: _D) -> str:
        """Write the struct as JSON."""
        return _encoder.encode(value).decode()

    def deserialize(self, value: str) -> _D:
        """Read the struct from JSON."""
        return self._decoder.decode(value)

    @functools.cached_property
    def _decoder(self) -> msgspec.json.Decoder[_D]:
        return msgspec.json.Decoder(self._struct)  # a cold start pays for those that it reads


_encoder = msgspec.json.Encoder()
