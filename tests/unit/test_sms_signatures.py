"""Calls to the vendors of SMS are signed as the vendors' own documents show it, in their examples to the letter."""

from __future__ import annotations

import hashlib
import hmac

from chalicelib.gateways.sms import signature

#: cloud.tencent.com, "签名方法 v3": its example of a POST.
TENCENT = (
    "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, "
    "SignedHeaders=content-type;host, Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
)
TENCENT_BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
#: help.aliyun.com, "V3版本请求体&签名机制": its example with fixed parameters.
ALIYUN = (
    "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
    "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
    "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
)
ALIYUN_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-version": "2014-05-26",
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}


def test_tencents_own_example() -> None:
    headers = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"}
    key_id, key = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
    assert signature.tc3(key_id, key, "cvm", headers, TENCENT_BODY, 1551113065) == TENCENT


def test_aliyuns_own_example() -> None:
    query = {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    assert signature.hashed(b"") == ALIYUN_HEADERS["x-acs-content-sha256"]
    assert signature.acs3("YourAccessKeyId", "YourAccessKeySecret", query, ALIYUN_HEADERS) == ALIYUN


def test_a_query_with_what_is_no_letter_is_signed_as_it_is_sent() -> None:
    query = {"TemplateParam": '{"name":"林 小~鱼*"}', "OutId": "m-1_2.3"}
    sent = "OutId=m-1_2.3&TemplateParam=%7B%22name%22%3A%22%E6%9E%97%20%E5%B0%8F~%E9%B1%BC%2A%22%7D"
    assert signature.encoded(query) == sent
    headers = {"host": "h", "x-acs-content-sha256": "0"}
    request = f"POST\n/\n{sent}\nhost:h\nx-acs-content-sha256:0\n\nhost;x-acs-content-sha256\n0"
    message = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signed = hmac.new(b"key", message.encode(), hashlib.sha256).hexdigest()
    assert signature.acs3("id", "key", query, headers).endswith(f"Signature={signed}")
