"""The merchant's settings. Table `settings_sections`.

| who asks | how | units |
|---|---|---|
| one section (once a second in a process) | Get section | 0.5 RRU |
| all sections, for the operator | BatchGet of the declared sections | 1 RRU each |
| change a section | Put under its version, Put that version for ever | 2 WRU a KB each |
| a section as it was | Get (section#version) | 0.5 RRU a KB |
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.platform.store.base import Table, TableMeta, name


class SettingsSections(Table):
    """A section as a JSON document; which struct it is, its name says. And each of its versions ("orders#3")."""

    class Meta(TableMeta):
        table_name = name("settings_sections")

    section = UnicodeAttribute(hash_key=True)
    document = UnicodeAttribute()
    version = NumberAttribute()
    #: Of a version: since when it held; of one that was written before this was kept, nothing.
    since = UnicodeAttribute(null=True)
