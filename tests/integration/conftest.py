"""A sandbox for the tests of WeChat's clients, in this process, started once for each file of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.core import settings
from chalicelib.wechat import mini
from local.keys import mall_environment
from tests import wechat_fixtures
from tests.wechat_fixtures import Wechat


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    with wechat_fixtures.wechat(tmp_path_factory.mktemp("wechat")) as started:
        yield started


@pytest.fixture
def wechat(running: Wechat) -> Wechat:
    running.forget()
    mini._token = None
    return running


@pytest.fixture
def short_time_outs(wechat: Wechat) -> Iterator[None]:
    """The mall waits 0.3 seconds for a reply instead of five."""
    environment = mall_environment(wechat.keys, wechat.url, wechat.merchant.url)
    settings.use(environment | {"YUTANG_WECHAT_READ_SECONDS": "0.3"})
    yield
    settings.use(environment)
