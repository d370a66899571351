"""The page that people read: an OpenAPI document as HTML, without a script and without anything from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from chalicelib.core.errors import CODES

Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  max-width: 62rem; margin: 0 auto; padding: 1rem 1.25rem 6rem; }
h1, h2 { line-height: 1.25 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
code, .path { font-family: ui-monospace, Consolas, "Noto Sans Mono CJK SC", monospace; font-size: .92em }
nav ul { columns: 14rem; padding-left: 1.2rem; margin: 0 }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .8rem }
details[open] { padding-bottom: .8rem } details details { background: var(--soft) }
summary { cursor: pointer; padding: .45rem 0 } summary .path { font-weight: 600 }
.method { display: inline-block; min-width: 4.2em; font-weight: 700 }
.who { float: right; opacity: .75; font-size: .85em }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { border: 1px solid var(--line); padding: .3rem .55rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere }
.limits { opacity: .75; font-size: .88em } :target { outline: 2px solid #38f; outline-offset: 2px }
"""


def render(document: Json) -> str:
    """Write the document as one HTML page in UTF-8."""
    info = document["info"]
    by_tag: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    links = [_item(f"tag-{tag}", tag) for tag in by_tag] + [_item("errors", "错误码"), _item("schemas", "数据类型")]
    sections = [
        f'<h2 id="tag-{escape(tag)}">{escape(tag)}</h2>{"".join(operations)}' for tag, operations in by_tag.items()
    ]
    schemas = [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API</h1>{_text(info['description'])}"
        f'<p><a href="openapi.json">openapi.json</a></p><nav><ul>{"".join(links)}</ul></nav>'
        f"{''.join(sections)}{_errors()}"
        f'<h2 id="schemas">数据类型 Schemas</h2>{"".join(schemas)}</body></html>'
    )


def _item(anchor: str, text: str) -> str:
    return f'<li><a href="#{escape(anchor)}">{escape(text)}</a></li>'


def _text(text: str) -> str:
    """Paragraphs, with `code` marked."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        parts = paragraph.split("`")
        marked = [f"<code>{escape(part)}</code>" if n % 2 else escape(part) for n, part in enumerate(parts)]
        paragraphs.append(f"<p>{''.join(marked)}</p>")
    return "".join(paragraphs)


def _operation(method: str, path: str, operation: Json) -> str:
    who: str = operation.get("x-permission") or operation["x-audience"]
    parts = [_text(operation["summary"])]
    if "description" in operation:
        parts.append(_text(operation["description"]))
    parts.append(_parameters(operation.get("parameters", [])))
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>请求体 Body: <code>{escape(media)}</code> {_type(content.get('schema', {}))}</p>")
    parts.append(_responses(operation["responses"]))
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{escape(method)}</span>'
        f'<span class="path">{escape(path)}</span> {escape(operation["summary"])}'
        f'<span class="who">{escape(who)}</span></summary>{"".join(parts)}</details>'
    )


def _parameters(parameters: list[Json]) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{'必填' if each['required'] else ''}</td><td>{_type(each['schema'])}</td></tr>"
        for each in parameters
    ]
    return _table(("参数 Parameter", "位置 In", "", "类型 Type"), rows) if rows else ""


def _responses(responses: dict[str, Json]) -> str:
    rows = []
    for status, response in responses.items():
        answers = []
        for media, content in response.get("content", {}).items():
            schema = content.get("schema", {})
            if "allOf" in schema:
                answers += [_error_link(code) for code in schema["allOf"][1]["properties"]["code"]["enum"]]
            else:
                answers.append(_type(schema) if schema else f"<code>{escape(media)}</code>")
        rows.append(
            f"<tr><td>{escape(status)}</td><td>{', '.join(answers) or escape(response['description'])}</td></tr>"
        )
    return _table(("状态 Status", "应答 Answer"), rows)


def _error_link(code: str) -> str:
    return f'<a href="#error-{escape(code)}"><code>{escape(code)}</code></a>'


def _errors() -> str:
    rows = [
        f'<tr id="error-{escape(code)}"><td><code>{escape(code)}</code></td><td>{meaning.status}</td>'
        f"<td>{escape(meaning.zh)}</td><td>{escape(meaning.en)}</td></tr>"
        for code, meaning in CODES.items()
    ]
    return f'<h2 id="errors">错误码 Errors</h2>{_table(("code", "状态 Status", "中文", "English"), rows)}'


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(field)}</code></td><td>{'必填' if field in required else ''}</td>"
        f"<td>{_type(kind)}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    ]
    body = _table(("字段 Field", "", "类型 Type"), rows) if rows else f"<p>{_type(schema)}</p>"
    title = escape(schema.get("title", name))
    return (
        f'<details id="schema-{escape(name)}" open><summary><code>{title}</code></summary>'
        f"{_text(schema.get('description', ''))}{body}</details>"
    )


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    titles = "".join(f"<th>{escape(head)}</th>" for head in heads)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


_LIMITS = {
    "minimum": "≥ {}", "maximum": "≤ {}", "minLength": "至少 {} 字", "maxLength": "至多 {} 字",
    "minItems": "至少 {} 项", "maxItems": "至多 {} 项", "pattern": "{}", "format": "{}",
}  # fmt: skip


def _type(schema: Json) -> str:
    """A schema in a few words, with links to those that have a name, and its limits."""
    limits = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    if schema.get("default") is not None:
        limits.append(f"默认 {schema['default']}")
    return _shape(schema) + (f' <span class="limits">{escape(", ".join(limits))}</span>' if limits else "")


def _shape(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " | ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"{_type(schema.get('items', {}))} []"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{{ name: {_type(schema['additionalProperties'])} }}"
    return escape(str(kind))
