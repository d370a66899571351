"""Why an upload, or a file that was uploaded, is refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

NO_SUCH_UPLOAD = Reason(
    "no_such_upload",
    "{label}不是您上传的文件，或上传后一天内未使用已被清理，请重新上传",
    "{label} is no file that you uploaded, or was not used within a day; upload it again",
)
OTHER_PURPOSE = Reason(
    "other_purpose",
    "{label}是为其他用途上传的，请按此用途重新上传",
    "{label} was uploaded for another purpose; upload it for this one",
)
NOT_UPLOADED = Reason(
    "not_uploaded",
    "{label}还没有上传完成，请先把文件上传到 upload.url",
    "{label} has not arrived; post the file to upload.url first",
)
OTHER_TYPE = Reason(
    "other_type",
    "{label}的内容与申报的类型 {content_type} 不符",
    "what {label} begins with is not {content_type}, as was said",
)

FIELDS: Labels = {
    "purpose": "用途",
    "content_type": ("文件类型", "content type"),
    "size": ("文件大小（字节）", "size in bytes"),
}
