"""The merchant's settings of members; what they are stands in content/rules.py."""

from __future__ import annotations

from chalicelib.customers.members.content.rules import PictureRules
from chalicelib.mall.settings.service import declare

PICTURES = declare("member_pictures", PictureRules)
