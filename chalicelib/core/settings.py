"""What the mall is told from outside: endpoints, names, limits; and secrets, by value or by name.

Nobody else reads the environment. A secret's variable holds its value, or says where it is kept:
`secretsmanager:NAME` or `ssm:NAME`; it is then fetched once, when first needed, and kept: after a change, a deployment
with another SecretsVersion (infra/template.json) starts every function anew. Rules that a merchant changes while the
mall runs are not here but in the sections of mall/settings.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Literal

import msgspec

from chalicelib.core import log
from chalicelib.core.errors import unavailable


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. Counts of shards may grow between deployments, never shrink."""

    stage: str = "dev"
    region: str = "cn-north-1"
    table_prefix: str = "yutang-"
    dynamodb_endpoint: str | None = None
    #: Public https address of the API, without a slash at its end; WeChat's callbacks come to it.
    public_url: str = "http://127.0.0.1:8000"
    job_shards: int = 4
    #: Of the jobs that are owed to very many members at once, which lie in a table of their own.
    many_shards: int = 16
    #: How many workers each lane's schedule wakes; each looks after its part of the shards.
    job_workers: int = 1
    order_shards: int = 4
    lobby_shards: int = 4
    #: 40 at most: a definition of a segment owes a job for each of them in its own transaction.
    member_shards: int = 4
    distribution_shards: int = 4
    audit_days: int = 1095
    member_token_days: int = 30
    operator_token_hours: int = 12
    #: Whether operators with great rights must have a second factor; off in a local mall.
    totp_obligatory: bool = True
    #: How long a process may answer reads of the catalogue and of settings from memory.
    cache_seconds: float = 1.0
    #: How long a content delivery network before the catalogue may keep an answer; 0 where there is none.
    cdn_seconds: int = 0
    trace: bool = False
    #: Which function of app.py this process is, as Lambda says it; "" elsewhere.
    handler: str = ""

    #: The bucket of uploaded files; "" where there is none, and nothing can be uploaded.
    uploads_bucket: str = ""
    #: Where that bucket is written and read, without a slash at its end; "": S3's own address of it.
    uploads_url: str = ""
    #: Where its public files are read by everybody, such as a content delivery network's domain; "": the same.
    pictures_url: str = ""

    #: The merchant's bucket that events of members are exported to, day by day; "" where they are not.
    events_bucket: str = ""
    #: The account of AWS that the mall is in; "" in a local one.
    account_id: str = ""

    wechat_api_url: str = "https://api.weixin.qq.com"
    wechat_pay_url: str = "https://api.mch.weixin.qq.com"
    #: Tencent's advertisements, which are told of conversions where the merchant wants that.
    ads_api_url: str = "https://api.e.qq.com"
    wechat_appid: str = ""
    #: The official account; "" where the merchant has none, or wants none to be known by it.
    wechat_oa_appid: str = ""
    #: The account at WeChat's open platform in which the two have one unionid of a person; another one, others.
    wechat_open_platform: str = ""
    wechat_mchid: str = ""
    #: Serial number of the merchant's API certificate, 40 hexadecimal digits.
    wechat_merchant_serial: str = ""
    #: Seconds to connect and to read. Together they stay below API Gateway's and Lambda's own limits.
    wechat_connect_seconds: float = 2.0
    wechat_read_seconds: float = 5.0

    #: Whose server sends SMS; "": nobody's, and no SMS is sent.
    sms_vendor: Literal["", "tencent", "aliyun"] = ""
    #: Where that server is, without a slash at its end; "": the vendor's own address.
    sms_url: str = ""
    #: The id of the key at the vendor: SecretId at Tencent, AccessKeyId at Aliyun.
    sms_key_id: str = ""
    #: The approved sign (签名) that stands before every text.
    sms_sign: str = ""
    #: Tencent's SmsSdkAppId, and the region of its server.
    sms_app_id: str = ""
    sms_region: str = "ap-guangzhou"
    #: Seconds to connect and to read, as WeChat's.
    sms_connect_seconds: float = 2.0
    sms_read_seconds: float = 5.0


_SECRETS = {
    "token_keys": "JSON list of keys that sign tokens and cursors; the last signs, all are accepted",
    "identity_key": "key of the digests by which who left and returns is known; never changed",
    "wechat_secret": "AppSecret of the mini-program",
    "wechat_message_token": "token of the mini-program's message push, as entered in its console",
    "wechat_message_key": "EncodingAESKey of the message push, 43 characters",
    "wechat_oa_secret": "AppSecret of the official account",
    "wechat_oa_message_token": "token of the official account's messages, as entered in its console",
    "wechat_oa_message_key": "EncodingAESKey of the official account's messages, 43 characters",
    "wechat_merchant_key": "PEM of the merchant's API private key",
    "wechat_apiv3_key": "APIv3 key, 32 ASCII characters",
    "ads_token": "access token of Tencent's advertisements, where conversions are told",
    "sms_key": "key at the vendor of SMS: SecretKey at Tencent, AccessKeySecret at Aliyun",
    "sms_callback_token": "token in the query of the addresses to which the vendor of SMS sends receipts and replies",
    "wechat_pay_keys": "JSON object of WeChat Pay public keys: serial or PUB_KEY_ID -> PEM",
}

_environment: Mapping[str, str] = os.environ


def use(environment: Mapping[str, str]) -> None:
    """Read settings from `environment` from now on, in this process."""
    global _environment
    _environment = environment
    settings.cache_clear()
    secret.cache_clear()
    signing_keys.cache_clear()


@functools.cache
def settings() -> Settings:
    """Give the settings of this process, read once from YUTANG_* (and DYNAMODB_ENDPOINT, AWS_REGION, _HANDLER).

    Raises msgspec.ValidationError that names the variable's field when a value is not of its type.
    """
    given: dict[str, str] = {}
    for field in Settings.__struct_fields__:
        value = _environment.get(f"YUTANG_{field.upper()}")
        if value:
            given[field] = value
    if _environment.get("DYNAMODB_ENDPOINT"):
        given["dynamodb_endpoint"] = _environment["DYNAMODB_ENDPOINT"]
    if _environment.get("AWS_REGION"):
        given.setdefault("region", _environment["AWS_REGION"])
    if _environment.get("_HANDLER"):
        given["handler"] = _environment["_HANDLER"]
    return msgspec.convert(given, Settings, strict=False)


@functools.cache
def secret(name: str) -> str:
    """Give the secret of that name (one of `_SECRETS`), fetched once from where its variable says it is kept.

    Raises LookupError, without any value in it, when the variable is not set, and `unavailable` when it cannot be read.
    """
    if name not in _SECRETS:
        raise LookupError(f"no secret is named {name}")
    value = _environment.get(f"YUTANG_{name.upper()}", "")
    if not value:
        raise LookupError(f"YUTANG_{name.upper()} is not set: {_SECRETS[name]}")
    store, _, where = value.partition(":")
    return _fetched(store, where) if store in ("secretsmanager", "ssm") else value


#: Seconds to connect and to read, and how often. A store that is silent is given up after 7 seconds, with the client's
#: own wait of up to one: an environment that reads two secrets for its first request still answers it in time.
_CONNECT_SECONDS = 1.0
_READ_SECONDS = 3.0
_TRIES = 2


def _fetched(store: str, where: str) -> str:
    """What is kept there. Raises `unavailable`: who asks comes again, and a job waits, until the store answers or the
    deployment is put right (the secret is made, or its right granted)."""
    import boto3  # only a deployed mall keeps its secrets elsewhere, and only once per process
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _TRIES, "mode": "standard"},
    )
    try:
        client = boto3.client(store, region_name=settings().region, config=config)
        if store == "ssm":
            return str(client.get_parameter(Name=where, WithDecryption=True)["Parameter"]["Value"])
        return str(client.get_secret_value(SecretId=where)["SecretString"])
    except ClientError as fault:  # it is not there, or may not be read: a person has to see that
        log.error("secret_refused", store=store, where=where, reason=fault.response["Error"]["Code"])
        raise unavailable() from fault
    except BotoCoreError as fault:
        log.warning("secret_unreachable", store=store, where=where, reason=type(fault).__name__)
        raise unavailable() from fault


def secret_list(name: str) -> list[str]:
    """Give the secret as a JSON list of text."""
    return msgspec.json.decode(secret(name), type=list[str])


#: The least length of a key that signs: 32 characters, so that nobody guesses it (ASVS 6.2, NIST SP 800-107 5.3.4).
_KEY_LENGTH_MIN = 32


@functools.cache
def signing_keys() -> list[str]:
    """Give the keys that sign tokens and cursors; the last signs, all are accepted.

    Raises LookupError, without any key in it, when there is none or one is shorter than 32 characters.
    """
    keys = secret_list("token_keys")
    if not keys or any(len(key) < _KEY_LENGTH_MIN for key in keys):
        raise LookupError(f"YUTANG_TOKEN_KEYS: every key must have {_KEY_LENGTH_MIN} characters or more")
    return keys


def identity_key() -> str:
    """Give the key of the digests of identities.

    Raises LookupError, without the key in it, when there is none or it is shorter than 32 characters.
    """
    key = secret("identity_key")
    if len(key) < _KEY_LENGTH_MIN:
        raise LookupError(f"YUTANG_IDENTITY_KEY: the key must have {_KEY_LENGTH_MIN} characters or more")
    return key


def secret_map(name: str) -> dict[str, str]:
    """Give the secret as a JSON object of text."""
    return msgspec.json.decode(secret(name), type=dict[str, str])
