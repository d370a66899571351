"""Why a login, an address or leaving is refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# codes of WeChat
LOGIN_CODE_INVALID = Reason(
    "login_code_invalid",
    "登录凭证无效或已过期，请重新打开小程序登录",
    "the login code is not valid, or is over; open the mini-program again",
)
LOGIN_CODE_USED = Reason(
    "login_code_used", "登录凭证已使用过，请重新登录", "the login code was used before; log in again"
)
LOGIN_CODE_OF_ANOTHER = Reason(
    "login_code_of_another",
    "登录凭证属于另一个微信账号，请用本账号重新获取",
    "the login code is another WeChat account's; get one with this account",
)
PHONE_CODE_INVALID = Reason(
    "phone_code_invalid",
    "手机号授权无效或已过期，请重新点击授权",
    "the code for the phone number is not valid, or is over; give the number again",
)
PHONE_CODE_USED = Reason(
    "phone_code_used", "手机号授权已使用过，请重新点击授权", "the code for the phone was used; give the number again"
)
BLOCKED_BY_WECHAT = Reason(
    "blocked_by_wechat",
    "微信限制了该账号登录，请稍后再试或联系客服",
    "WeChat blocks this account for now; try again later or ask the shop",
)

# addresses
NO_SUCH_ADDRESS = Reason(
    "no_such_address", "没有这个收货地址，可能已被删除", "there is no such address; it may have been removed"
)
ADDRESSES_FULL = Reason(
    "addresses_full",
    "最多保存 {limit} 个收货地址，请先删除一个",
    "at most {limit} addresses can be kept; remove one first",
)

# pictures
PICTURE_NOT_UPLOADED = Reason(
    "picture_not_uploaded",
    "{label}还在手机上，别人看不到：请先用 POST /v1/uploads 上传，再提交其返回的 url",
    "{label} is still on the phone, where nobody else can see it: upload it with POST /v1/uploads and send its url",
)
PICTURE_ELSEWHERE = Reason(
    "picture_elsewhere",
    "{label}须是微信头像的 https 地址，或用 POST /v1/uploads 上传后返回的 url",
    "{label} must be an https address of WeChat's, or the url that POST /v1/uploads has answered",
)
NOT_A_PHONE = Reason(
    "not_a_phone",
    "{label}不正确，请填写 11 位手机号、带区号的座机号，或以 + 和国家（地区）代码开头的号码",
    "{label} is wrong: give a mobile number of 11 digits, a landline with its area code, or + and a country's code",
)

# birthdays
NO_DAY_OF_MONTH = Reason(
    "no_day_of_month",
    "{month} 月最多 {limit} 天，请检查{label}",
    "month {month} has at most {limit} days; check {label}",
)

NO_SUCH_MEMBER = Reason("no_such_member", "没有这个会员，可能已注销", "there is no such member; they may have left")

# two members who are one person
NO_SUCH_MERGE = Reason("no_such_merge", "没有这个合并记录", "there is no such merge")
CODE_NOT_GOOD = Reason(
    "code_not_good",
    "合并码不正确或已过期，请在另一个账号上重新获取",
    "the code is wrong, or over; get another in the other account",
)
OWN_CODE = Reason(
    "own_code", "这是本账号自己的合并码，请在另一个账号上输入", "the code is this account's own; enter it in the other"
)
TWO_LOGINS = Reason(
    "two_logins",
    "两个会员各有一个小程序登录，可能是两个人；确认是同一人请以 force 为 true 提交，并由另一位运营人员同意",
    "both log in to the mini-program, so they may be two people; if not, send force true, and another operator agrees",
)
ANOTHER_OPERATOR_MERGES = Reason(
    "another_operator_merges", "须由另一位运营人员同意这次合并", "another operator has to agree to this merge"
)
ALREADY_DECIDED = Reason("already_decided", "这次合并已处理", "this merge was decided before")
NO_SUCH_IDENTITY = Reason("no_such_identity", "该会员没有这个身份标识", "the member has no such identity")
LAST_LOGIN = Reason(
    "last_login",
    "这是会员自己的登录，不能拆出；请拆出合并进来的那一个",
    "this is the member's own login; take out the one that was merged into it",
)
PHONE_STAYS = Reason(
    "phone_stays",
    "手机号不是账号，不能拆出；会员可以自己更换或删除",
    "a phone is no account, and is not taken out; the member may change it or take it back",
)
TOO_LATE_TO_DETACH = Reason(
    "too_late_to_detach",
    "只能拆出由合并带入的身份，且须在合并后 30 天内、合并完成之后",
    "what a merge has brought can be taken out within 30 days of it, when that is done",
)
MERGED_TOO_OFTEN = Reason(
    "merged_too_often", "合并到同一会员的账号已达上限", "as many as may be were merged into this member"
)
MERGE_UNDER_WAY = Reason(
    "merge_under_way",
    "账号合并尚未完成，请过几分钟再注销",
    "another account of yours is still being merged; come again in some minutes",
)

# what keeps a member from leaving: the wing that knows of it names one of these (ports.DataOwner)
SOMETHING_OPEN = Reason(
    "something_open", "还有未完结的事项，暂不能注销", "something of yours is not finished, so the account stays open"
)
ORDERS_UNDER_WAY = Reason(
    "orders_under_way",
    "还有进行中的订单，请在订单完成（含退款期）或关闭后再注销",
    "orders are under way; come again when they are completed, with their time for refunds, or closed",
)
ORDERS_LET_GO = Reason(
    "orders_let_go",
    "24 小时内有下单后未支付而关闭的订单，请在满 24 小时后再注销",
    "orders were let go unpaid in the last 24 hours; come again when a day has passed",
)
COMMISSIONS_UNSETTLED = Reason(
    "commissions_unsettled",
    "还有待结算的佣金或处理中的提现，请在结束后再注销",
    "commissions are pending or withdrawals under way; come again when they have ended",
)
BALANCE_LEFT = Reason(
    "balance_left",
    "余额还有 {amount_yuan} 元，请先提现；确认放弃的，请以 waive_balance 为 true 再次提交注销",
    "{amount_yuan} yuan are left in the balance: withdraw them, or give them up by sending waive_balance true",
)

FIELDS: Labels = {
    "decision": ("是否合并", "whether they are one"),
    "force": ("确认合并两个登录", "that two logins are one person"),
    "identity": ("身份标识", "identity"),
    "merge_id": ("合并记录", "merge"),
    "merge_on_phone": ("手机号相同即合并", "merging by the phone number"),
    "everywhere": ("退出所有设备", "logging out everywhere"),
    "returning_days": ("注销后保留识别的天数", "days that who left is known"),
    "waive_balance": ("放弃余额", "giving up the balance"),
    "code": ("微信凭证", "WeChat code"),
    "source": "访问来源",
    "scene": "场景值",
    "channel": "渠道",
    "inviter": "邀请人",
    "live_room": "直播间",
    "staff": ("接待员工", "member of staff"),
    "share_token": ("分享口令", "share token"),
    "share_key": ("视频号分享参数", "share key of Channels"),
    "ad": ("广告", "advertisement"),
    "click_id": ("广告点击编号", "click id"),
    "platform": ("广告平台", "platform"),
    "page": ("页面", "page"),
    "nickname": "昵称",
    "avatar_url": ("头像", "picture"),
    "birthday": "生日",
    "month": "月份",
    "birthday.day": "生日的日期",
    "calendar": ("历法（公历或农历）", "calendar (solar or lunar)"),
    "new_days": ("新客天数", "days that somebody is new"),
    "first_order_days": ("首单客户天数", "days after a first order"),
    "active_days": ("活跃天数", "days that a customer is active"),
    "loyal_orders": ("忠诚客户的订单数", "orders of a loyal customer"),
    "hosts": ("图片域名", "hosts of pictures"),
    "address_id": ("收货地址", "address"),
    "name": ("收货人", "receiver"),
    "phone": ("手机号", "phone number"),
    "region_code": ("省市区编码", "region code"),
    "province": "省份",
    "city": "城市",
    "district": "区县",
    "detail": ("详细地址", "street address"),
    "consent": ("同意的文本", "the text agreed to"),
    "version": ("文本版本", "the text's version"),
    "personalised": ("个性化推荐", "whether offers are chosen personally"),
    "is_default": ("是否默认地址", "whether it is the default"),
}
