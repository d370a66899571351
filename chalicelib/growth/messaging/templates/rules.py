"""What a template's text may be, and what a message of it says in each medium's own form. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.growth.messaging.refusals import (
    FIELD_TOO_LONG,
    FORM_OF_NO_MEDIUM,
    NO_SUCH_FIELD,
    NO_SUCH_VAR,
    NOT_BY_MEDIUM,
    STRAY_BRACE,
    UNSUBSCRIBE_MISSING,
    VAR_UNUSED,
)
from chalicelib.growth.messaging.rules import NO_MARKETING, Form, Medium, Purpose, Template

#: What an SMS that sells ends with, by law and by what its vendors want.
UNSUBSCRIBE = "拒收请回复R"
_VAR = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,31})\}")
_FIELD = re.compile(r"^([a-z_]+?)[0-9]+$")
#: How many characters WeChat takes in a field, by its type. Source: developers.weixin.qq.com/miniprogram,
#: "发送订阅消息", 参数内容限制说明.
LENGTHS = {
    "thing": 20, "number": 32, "letter": 32, "symbol": 5, "character_string": 32, "time": 20, "date": 20, "amount": 12,
    "phone_number": 17, "car_number": 8, "name": 10, "phrase": 5, "const": 20,
}  # fmt: skip
_BY_WECHAT: tuple[Medium, ...] = ("subscribe", "oa")
#: How many characters a vendor of SMS takes as one parameter. Source: help.aliyun.com, "变量规范".
_SMS_PARAM = 35
#: The page that a message opens where its template names none.
_HOME = "pages/index/index"
#: What stands where WeChat wants something and there is nothing.
_NOTHING = "-"
_MORE = "…"


def variables(text: str) -> set[str]:
    """List the variables that a text names."""
    return set(_VAR.findall(text))


def check_template(template: Template) -> None:
    """Raise `medium_off` where it sells by a medium that may not, and `invalid` naming what is wrong with its texts."""
    check_media(template.purpose, template.media, "media")
    errors = [*_text_errors(template.text, template.vars, "text"), *_form_errors(template)]
    used = variables(template.text).union(*(variables(text) for text in _field_texts(template)))
    errors += [VAR_UNUSED.at(f"vars[{place}]", var=one) for place, one in enumerate(template.vars) if one not in used]
    if "sms" in template.media and template.purpose == "marketing" and UNSUBSCRIBE not in template.text:
        errors.append(UNSUBSCRIBE_MISSING.at("text", words=UNSUBSCRIBE))
    if errors:
        raise invalid(*errors)


def check_media(purpose: Purpose, media: Sequence[Medium], field: str) -> None:
    """Raise `medium_off`, naming the field, where one of the media may not carry what has this purpose."""
    forbidden = [medium for medium in media if purpose == "marketing" and medium in NO_MARKETING]
    if forbidden:
        raise MallError("medium_off", errors=(NOT_BY_MEDIUM.at(field, medium=forbidden[0]),))


def _text_errors(text: str, known: Collection[str], field: str) -> Iterator[FieldError]:
    yield from (NO_SUCH_VAR.at(field, var=var) for var in sorted(variables(text) - set(known)))
    if any(brace in _VAR.sub("", text) for brace in "{}"):
        yield STRAY_BRACE.at(field)


def _form_errors(template: Template) -> Iterator[FieldError]:
    for medium, form in template.forms.items():
        if medium not in template.media:
            yield FORM_OF_NO_MEDIUM.at("forms", medium=medium)
        for field, text in form.fields.items():
            path = f"forms.{medium}.fields"
            yield from _text_errors(text, template.vars, path)
            if medium in _BY_WECHAT:
                yield from _field_errors(field, text, path)


def _field_errors(field: str, text: str, path: str) -> Iterator[FieldError]:
    limit = _limit(field)
    if limit is None:
        yield NO_SUCH_FIELD.at(path, name=field)
    elif len(_VAR.sub("", text)) > limit:
        yield FIELD_TOO_LONG.at(path, name=field, limit=limit)


def _field_texts(template: Template) -> Iterator[str]:
    for form in template.forms.values():
        yield from form.fields.values()


def _limit(field: str) -> int | None:
    found = _FIELD.match(field)
    return None if found is None else LENGTHS.get(found[1])


def rendered(text: str, values: Mapping[str, str]) -> str:
    """Put the values into a text; what there is none of is left out."""
    return _VAR.sub(lambda found: values.get(found[1], ""), text)


def form_of(template: Template, medium: Medium) -> Form:
    """Give the form in which a medium carries the template, whole: where nothing is said, the platform's template has
    the id of the mall's, and the first page is opened; a variable that is named as a field of WeChat's stands in that
    field; with none, the whole text is `thing1`. An SMS has its variables as parameters."""
    form = template.forms.get(medium, Form())
    fields = form.fields or {var: f"{{{var}}}" for var in template.vars}
    if medium in _BY_WECHAT and not form.fields:
        fields = {var: text for var, text in fields.items() if _limit(var)} or {"thing1": template.text}
    return Form(form.template_id or template.template_id, fields, form.page or _HOME)


def filled(form: Form, medium: Medium, values: Mapping[str, str]) -> dict[str, str]:
    """Fill the fields of a form, each as its platform takes it: cut to its length, and never empty."""
    if medium not in _BY_WECHAT:
        return {field: _cut(rendered(text, values), _SMS_PARAM) for field, text in form.fields.items()}
    return {field: _fitting(field, rendered(text, values)) for field, text in form.fields.items()}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _MORE


def _fitting(field: str, text: str) -> str:
    limit = _limit(field) or LENGTHS["thing"]
    kind = field.rstrip("0123456789")
    shown = " ".join(text.split())
    if kind == "character_string":
        shown = "".join(one for one in shown if one.isascii())
    return (_cut(shown, limit) if kind == "thing" else shown[:limit]) or _NOTHING
