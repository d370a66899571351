"""What PynamoDB knows of every table is what stands in its class, however it was found (platform/store/base.py)."""

from __future__ import annotations

import importlib
from inspect import getmembers

from pynamodb.attributes import Attribute
from pynamodb.indexes import Index

from chalicelib.platform.store import tools


def test_every_attribute_and_index_is_known() -> None:
    importlib.import_module("app")
    found = tools.tables()
    assert len(found) > 20
    for table in found:
        assert table.get_attributes() == dict(getmembers(table, lambda one: isinstance(one, Attribute)))
        indexes = dict(getmembers(table, lambda one: isinstance(one, Index)))
        assert set(table._indexes.values()) == set(indexes.values())
        for index in indexes.values():
            assert index.Meta.attributes == dict(getmembers(type(index), lambda one: isinstance(one, Attribute)))
