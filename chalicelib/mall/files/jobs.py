"""What uploaded files owe to later."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, handles

#: A day after an upload was begun: it goes, unless something uses it.
END = handles("files.end", "chalicelib.mall.files.service:end")
#: Its files go from the store.
REMOVE = handles("files.remove", "chalicelib.mall.files.service:remove", OUTSIDE)
