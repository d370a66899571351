"""WeChat Pay's signatures, both ways: what the mall's requests carry, and what replies and callbacks must carry.

Source: wechatpay-apiv3/wechatpay-skills, the rules for signing, for verifying and for callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.gateways.patience import SIGNATURE_SECONDS
from chalicelib.gateways.wechat import keys

_SCHEME = "WECHATPAY2-SHA256-RSA2048"
#: WeChat sends signatures that begin so to see whether the merchant verifies them: they must be refused.
_PROBE = "WECHATPAY/SIGNTEST/"


def authorization(method: str, path: str, body: bytes) -> str:
    """The Authorization header for exactly this request; `path` with its query, as it goes over the wire."""
    timestamp, nonce = clock.unix(), ids.new("")
    signed = keys.sign(f"{method}\n{path}\n{timestamp}\n{nonce}\n{body.decode()}\n")
    mall = settings()
    return (
        f'{_SCHEME} mchid="{mall.wechat_mchid}",nonce_str="{nonce}",signature="{signed}",'
        f'timestamp="{timestamp}",serial_no="{mall.wechat_merchant_serial}"'
    )


def defect(headers: Mapping[str, str], body: bytes) -> str | None:
    """What is wrong with the signature of a reply or callback, or None when WeChat signed these very bytes.

    `headers` has lower-case names. Answers one of: header_missing, time, probe, unknown_serial, signature.
    """
    try:
        timestamp, nonce, signature, serial = (
            headers[f"wechatpay-{part}"] for part in ("timestamp", "nonce", "signature", "serial")
        )
    except KeyError:
        return "header_missing"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "time"
    if abs(clock.unix() - int(timestamp)) > SIGNATURE_SECONDS:
        return "time"
    if signature.startswith(_PROBE):
        return "probe"
    if not keys.is_known(serial):
        return "unknown_serial"
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return None if keys.is_signed(serial, message, signature) else "signature"
