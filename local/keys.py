"""The keys of a local mall: made once, kept in a file that only its owner may read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import string
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization import PublicFormat as Public

_FILE = "keys.json"
#: What the local mall calls its store of uploaded files, which the sandbox plays.
BUCKET = "local"
#: What the mall is known by to the advertisements that the sandbox plays.
ADS_TOKEN = "local-ads-token"  # noqa: S105 (of a local mall)
#: The sign (签名) of its SMS that the vendors played by the sandbox have approved.
SMS_SIGN = "雨棠"
#: The vendor that sends a local mall's SMS; the sandbox plays both.
SMS_VENDOR = "aliyun"


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """All that the mall and the sandbox's WeChat share, and what each keeps to itself. Private keys are PEM."""

    appid: str
    app_secret: str
    mchid: str
    merchant_key: str
    merchant_serial: str
    #: WeChat Pay's own key, which signs replies and callbacks; `wechat_key_id` is its PUB_KEY_ID.
    wechat_key: str
    wechat_key_id: str
    apiv3_key: str
    #: JSON list, as the mall's setting of that name.
    token_keys: str
    #: Of the message push.
    message_token: str
    message_key: str
    #: Of who left.
    identity_key: str
    #: Of the official account, and of the open platform that it shares with the mini-program.
    oa_appid: str
    oa_secret: str
    oa_message_token: str
    oa_message_key: str
    open_platform: str
    #: Of SMS: the key at the vendor, Tencent's SmsSdkAppId, and the token of the addresses that it tells.
    sms_key_id: str
    sms_key: str
    sms_app_id: str
    sms_callback_token: str


def load_or_make(directory: Path) -> Keys:
    """The keys kept in `directory`, made first if there are none; and those that an older mall does not have. Processes
    that come at once get the same."""
    path = directory / _FILE
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        known: dict[str, str] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
        if Keys.__struct_fields__ != tuple(known):
            made = msgspec.to_builtins(_make()) | {
                name: known[name] for name in Keys.__struct_fields__ if name in known
            }
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)  # only its owner may read it
            draft.write_bytes(msgspec.json.encode(made))
            draft.rename(path)  # whole or not at all
    return msgspec.json.decode(path.read_bytes(), type=Keys)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else looks for keys in the directory meanwhile."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def mall_environment(keys: Keys, sandbox_url: str, api_url: str) -> dict[str, str]:
    """The variables that tell the mall at `api_url` to take the sandbox at `sandbox_url` for WeChat."""
    return {
        "YUTANG_PUBLIC_URL": api_url,
        "YUTANG_TOTP_OBLIGATORY": "false",  # admin / admin gets in, as it is
        "YUTANG_TOKEN_KEYS": keys.token_keys,
        "YUTANG_IDENTITY_KEY": keys.identity_key,
        "YUTANG_WECHAT_API_URL": sandbox_url,
        "YUTANG_WECHAT_PAY_URL": sandbox_url,
        "YUTANG_ADS_API_URL": sandbox_url,
        "YUTANG_ADS_TOKEN": ADS_TOKEN,
        "YUTANG_UPLOADS_BUCKET": BUCKET,
        "YUTANG_UPLOADS_URL": f"{sandbox_url}/_files",
        "YUTANG_WECHAT_APPID": keys.appid,
        "YUTANG_WECHAT_SECRET": keys.app_secret,
        "YUTANG_WECHAT_MCHID": keys.mchid,
        "YUTANG_WECHAT_MERCHANT_SERIAL": keys.merchant_serial,
        "YUTANG_WECHAT_MERCHANT_KEY": keys.merchant_key,
        "YUTANG_WECHAT_APIV3_KEY": keys.apiv3_key,
        "YUTANG_WECHAT_MESSAGE_TOKEN": keys.message_token,
        "YUTANG_WECHAT_MESSAGE_KEY": keys.message_key,
        "YUTANG_WECHAT_OA_APPID": keys.oa_appid,
        "YUTANG_WECHAT_OA_SECRET": keys.oa_secret,
        "YUTANG_WECHAT_OA_MESSAGE_TOKEN": keys.oa_message_token,
        "YUTANG_WECHAT_OA_MESSAGE_KEY": keys.oa_message_key,
        "YUTANG_WECHAT_OPEN_PLATFORM": keys.open_platform,
        **sms_environment(keys, sandbox_url, SMS_VENDOR),
        "YUTANG_WECHAT_PAY_KEYS": msgspec.json.encode({keys.wechat_key_id: public_pem(keys.wechat_key)}).decode(),
    }


def sms_environment(keys: Keys, sandbox_url: str, vendor: str) -> dict[str, str]:
    """The variables that tell the mall to send SMS by the vendor `tencent` or `aliyun`, as the sandbox plays it."""
    return {
        "YUTANG_SMS_VENDOR": vendor,
        "YUTANG_SMS_URL": f"{sandbox_url}/sms/{vendor}",
        "YUTANG_SMS_SIGN": SMS_SIGN,
        "YUTANG_SMS_KEY_ID": keys.sms_key_id,
        "YUTANG_SMS_KEY": keys.sms_key,
        "YUTANG_SMS_APP_ID": keys.sms_app_id,
        "YUTANG_SMS_CALLBACK_TOKEN": keys.sms_callback_token,
    }


def public_pem(private_pem: str) -> str:
    """The public half of a private key, both PEM."""
    public = load_pem_private_key(private_pem.encode(), password=None).public_key()
    return public.public_bytes(Encoding.PEM, Public.SubjectPublicKeyInfo).decode()


def _make() -> Keys:
    return Keys(
        appid="wx" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16),
        mchid="1" + _digits(9),
        merchant_key=_rsa_pem(),
        merchant_serial=secrets.token_hex(20).upper(),
        wechat_key=_rsa_pem(),
        wechat_key_id="PUB_KEY_ID_" + _digits(32),
        apiv3_key="".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32)),
        token_keys=msgspec.json.encode([secrets.token_urlsafe(32)]).decode(),
        message_token=secrets.token_hex(16),
        message_key=_message_key(),
        identity_key=secrets.token_urlsafe(32),
        oa_appid="wx" + secrets.token_hex(8),
        oa_secret=secrets.token_hex(16),
        oa_message_token=secrets.token_hex(16),
        oa_message_key=_message_key(),
        open_platform="wx" + secrets.token_hex(8),
        sms_key_id="AKID" + secrets.token_hex(16),
        sms_key=secrets.token_urlsafe(24),
        sms_app_id="14" + _digits(8),
        sms_callback_token=secrets.token_hex(16),
    )


def _message_key() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(42)) + "A"


def _rsa_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _digits(count: int) -> str:
    return "".join(secrets.choice(string.digits) for _ in range(count))
