"""What members send: to log in, to change their profile, to keep an address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.customers.members.rules import (
    AdClick,
    Birthday,
    Detail,
    District,
    Name,
    Nickname,
    Phone,
    Place,
    Region,
    Source,
    Visit,
)
from chalicelib.platform.web.types import Cleaned, Cursor, Reason256, ShortText

WechatCode = Annotated[str, Meta(min_length=1, max_length=256)]
#: Which addresses it may be, the rules say, and what to do about others.
PictureAddress = Annotated[str, Meta(max_length=512)]
Scene = Annotated[int, Meta(ge=0, le=99_999)]
ClickId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)")]
ShareKey = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)")]
PagePath = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)")]


class SourceInput(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Where this visit comes from: WeChat's scene value, a channel's code, the inviter, a live room."""

    scene: Scene | Name | None = None
    channel: Name | None = None
    inviter: Name | None = None
    live_room: Name | None = None

    def taken(self, at: datetime) -> Source | None:
        """Give the source of a visit at that instant; None where nothing is said of it."""
        if (self.scene, self.channel, self.inviter, self.live_room) == (None, None, None, None):
            return None
        scene = None if self.scene is None else str(self.scene)
        return Source(scene=scene, channel=self.channel, inviter=self.inviter, live_room=self.live_room, at=at)


class AdInput(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The click on an advertisement that led here: `gdt_vid` or `qz_gdt` of the landing page's query."""

    click_id: ClickId
    platform: Name = "tencent"


class VisitInput(SourceInput, omit_defaults=True, forbid_unknown_fields=True):
    """Where this visit comes from, and what else is known of the way: the member of staff whose code it was, the token
    of a shared link, the promoter that wx.getChannelsShareKey names, an advertisement, the page that was opened."""

    staff: Name | None = None
    share_token: Name | None = None
    share_key: ShareKey | None = None
    ad: AdInput | None = None
    page: PagePath | None = None

    def visit(self, at: datetime) -> Visit:
        """Give the visit at that instant."""
        return Visit(
            at=at, source=self.taken(at), staff=self.staff, share_token=self.share_token, share_key=self.share_key,
            ad=None if self.ad is None else AdClick(self.ad.click_id, self.ad.platform), page=self.page,
        )  # fmt: skip


class ConsentInput(msgspec.Struct, forbid_unknown_fields=True):
    """Which version of the text the shopper was shown, and agreed to."""

    version: ShortText


class MemberLoginInput(msgspec.Struct, forbid_unknown_fields=True):
    """The code of wx.login, where the visit comes from, and which privacy text the shopper agreed to."""

    code: WechatCode
    source: VisitInput | None = None
    consent: ConsentInput | None = None


class ProfileInput(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays, and an empty text, or null for the birthday, takes away."""

    nickname: Nickname | UnsetType = UNSET
    avatar_url: PictureAddress | UnsetType = UNSET
    birthday: Birthday | UnsetType | None = UNSET


class PhoneInput(msgspec.Struct, forbid_unknown_fields=True):
    """The code of WeChat's phone number button, and which text about it the shopper agreed to."""

    code: WechatCode
    consent: ConsentInput | None = None


class AddressInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a parcel goes. `region_code` is the six digits of the division code (GB/T 2260); some cities have no
    districts. `is_default` that is left out says nothing: a new address is none, another stays what it is."""

    name: Name
    phone: Phone
    region_code: Region
    province: Place
    city: Place
    district: District = ""
    detail: Detail
    is_default: bool | UnsetType = UNSET


class LogoutInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whether to log out on every device, or on this one."""

    everywhere: bool = False


class ErasureInput(msgspec.Struct, forbid_unknown_fields=True):
    """A fresh code of wx.login, and whether what is left of the balance is given up."""

    code: WechatCode
    waive_balance: bool = False


class BlockInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """Why the member is blocked; they may read it."""

    reason: Reason256


class ExportQuery(msgspec.Struct, kw_only=True):
    """Where to go on."""

    cursor: Cursor | None = None
