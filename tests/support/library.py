"""The client for WeChat Pay that others wrote, turned to the sandbox."""

from __future__ import annotations

from typing import Any

from wechatpayv3 import WeChatPay, WeChatPayType

from local.keys import public_pem
from tests.wechat_fixtures import Wechat


def client_of(wechat: Wechat) -> Any:
    """`wechatpayv3` in public-key mode, with the sandbox's keys and address."""
    keys = wechat.keys
    client = WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=keys.mchid,
        private_key=keys.merchant_key,
        cert_serial_no=keys.merchant_serial,
        appid=keys.appid,
        apiv3_key=keys.apiv3_key,
        notify_url=wechat.merchant.url + "/v1/callbacks/wechat/payment",
        public_key=public_pem(keys.wechat_key),
        public_key_id=keys.wechat_key_id,
        timeout=5,
    )
    client._core._gate_way = wechat.url
    return client
