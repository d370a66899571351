"""Why something about the catalogue is refused, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason, Term

NOT_ON_SALE = Reason(
    "not_on_sale", "商品不存在或已下架，看看别的商品吧", "this product is not on sale; have a look at others"
)

#: What others name of the catalogue, by `rules.Named.kind`.
KINDS: dict[str, Term] = {
    "category": Term("category", "分类", "category"),
    "product": Term("product", "商品", "product"),
    "SKU": Term("sku", "规格", "SKU"),
}
NO_SUCH_KIND = Reason("no_such_kind", "没有这个{kind}", "there is no such {kind}")

# categories
BELOW_ITSELF = Reason("below_itself", "分类不能放到自己或自己的下级分类之下", "a category cannot be below itself")
TOO_DEEP = Reason("too_deep", "分类最多 {limit} 级", "categories have at most {limit} levels")
TOO_MANY_CATEGORIES = Reason("too_many_categories", "最多 {limit} 个分类", "at most {limit} categories can be kept")
CATEGORY_IN_USE = Reason(
    "category_in_use",
    "分类下还有商品或子分类，请先移走",
    "there are products or categories in this category; move them first",
)

# products
NO_SUCH_TEMPLATE = Reason(
    "no_such_freight_template",
    "没有运费模板“{template_id}”，请先建立它",
    "there is no freight template {template_id}; make it first",
)
SAME_SPEC_NAME = Reason("same_spec_name", "有两个规格项的名称相同", "two specs have the same name")
SAME_SPEC_VALUE = Reason("same_spec_value", "{label}中有重复的值", "a value stands twice in {label}")
SPECS_INCOMPLETE = Reason(
    "specs_incomplete",
    "{label}应为商品的每个规格项各填一个值，不多不少",
    "{label} must have one value for each spec of the product, and no other",
)
NOT_A_SPEC_VALUE = Reason(
    "not_a_spec_value", "{label}：{name} 没有“{value}”这个值", "{label}: {value} is not a value of {name}"
)
SAME_SPECS = Reason("same_specs", "{label}与另一个规格相同", "{label} has the same values as another SKU")
TOO_MANY_SKUS_CHANGE = Reason(
    "too_many_skus_change",
    "一次变动的规格太多，请分两次修改",
    "too many SKUs change at once; do it in two steps",
)
SKU_HAS_ORDERS = Reason(
    "sku_has_orders",
    "规格 {sku_code} 已有订单占用，不能删除",
    "orders hold pieces of the SKU {sku_code}, so it cannot be removed",
)

# files
NOT_UTF8 = Reason(
    "not_utf8",
    "文件的编码无法识别（第 {byte} 字节起），请另存为 UTF-8 编码的 CSV 文件",
    "the encoding of the file cannot be told (from byte {byte} on); save it as CSV UTF-8",
)
FILE_EMPTY = Reason("file_empty", "文件是空的", "the file is empty")
NO_LINES = Reason("no_lines", "文件只有表头，没有数据", "the file has headings and nothing below them")
TOO_MANY_LINES = Reason(
    "too_many_lines",
    "一次最多导入 {limit} 行，请把文件分成几份",
    "at most {limit} lines can be imported at a time; split the file",
)
NOT_JSON = Reason("not_json", "{label}不是合法的 JSON", "{label} is not JSON")
NOT_CSV = Reason("not_csv", "{label}不是合法的 CSV", "{label} is not CSV")
MORE_CELLS_THAN_COLUMNS = Reason(
    "more_cells_than_columns", "{label}的单元格比表头的列多", "{label} has more cells than there are columns"
)
COLUMN_TWICE = Reason(
    "column_twice",
    "表头中“{column}”出现了两次，请删去或改名其中一列",
    "the heading {column} stands twice; take one of the columns out, or rename it",
)
ON_AN_EARLIER_LINE = Reason(
    "on_an_earlier_line", "{label}与第 {earlier} 行相同", "{label} is the same as on line {earlier}"
)
BAD_COLUMN_MAP = Reason(
    "bad_column_map", "列对应表中“{column}”的写法无法识别", "what {label} says of {column} cannot be read"
)
NOT_OUR_COLUMN = Reason("not_our_column", "列对应表中的“{column}”不是商城的列", "{column} is no column of the mall's")
NO_SUCH_COLUMN = Reason(
    "no_such_column", "文件的表头中没有“{column}”这一列", "the file has no column with the heading {column}"
)
COLUMNS_ARE_FOR_CSV = Reason("columns_are_for_csv", "{label}只用于 CSV 文件", "{label} is for CSV files only")
OTHERWISE_ABOVE = Reason(
    "otherwise_above",
    "{label}与同一商品前面的行不一致",
    "{label} is not what an earlier row of the same product says",
)
ROW_AT_FAULT = Reason(
    "row_at_fault",
    "同一商品的第 {other} 行有误，整件商品没有导入",
    "line {other} of the same product is wrong, so that nothing of it went in",
)
NO_PRODUCT_ROW = Reason(
    "no_product_row", "文件中没有商品 {parent} 自己的一行", "the file has no row for the product {parent} itself"
)
NOT_AN_AMOUNT = Reason(
    "not_an_amount",
    "{label}应为数字，且换算成最小单位后是整数",
    "{label} must be a number that is whole in the smallest unit",
)
NOT_REACHED = Reason(
    "not_reached", "时间用完，{label}没有导入，请重新发送", "{label} was not reached in time; send it again"
)
BAD_PICTURE = Reason(
    "bad_picture", "{label}不是 http(s) 网址，已略去", "{label} is not an http(s) address and was left out"
)

FIELDS: Labels = {
    # lists
    "q": ("搜索词", "words to search for"),
    "sort": "排序",
    "published": "是否上架",
    "format": "文件格式",
    # categories
    "category_id": ("分类", "category"),
    "category_code": "分类编码",
    "parent_id": ("上级分类", "parent category"),
    "parent_code": ("上级分类", "parent category"),
    "description": "说明",
    # products
    "product_code": "商品编码",
    "brief": "简介",
    "keywords": "关键词",
    "unit": "单位",
    "brand": "品牌",
    "picture_url": ("图片网址", "picture address"),
    "gallery": ("图集", "gallery"),
    "detail": "详情",
    "role": "商品定位",
    "values": "商品价值",
    "freight_template_id": ("运费模板", "freight template"),
    "commission_bp": ("佣金比例（万分之一）", "commission in parts of 10000"),
    "limit_per_member": "每人限购件数",
    "limit_per_order": "每单限购件数",
    "publish": "是否上架",
    "version": "版本",
    "specs": "规格项",
    "specs.name": ("规格项名称", "name of the spec"),
    "specs.values": ("规格项的值", "values of the spec"),
    # SKUs
    "skus": ("规格", "SKUs"),
    "skus.specs": ("规格的取值", "specs of the SKU"),
    "sku_code": ("规格编码", "SKU code"),
    "price_fen": ("价格（分）", "price in fen"),
    "list_price_fen": ("划线价（分）", "list price in fen"),
    "stock": "库存",
    "weight_g": ("重量（克）", "weight in grams"),
    "shards": ("分片数", "number of shards"),
    # files
    "line": ("本行", "the line"),
    "on_sale": "是否上架",
    "is_new": ("是否新品", "new"),
    "is_hot": ("是否热销", "hot"),
    "columns": ("列对应表", "the column map"),
    "parent": ("所属商品", "parent"),
    "created_at": ("创建时间", "time of creation"),
    "price_yuan": ("价格（元）", "price in yuan"),
    "list_price_yuan": ("划线价（元）", "list price in yuan"),
    "weight_kg": ("重量（千克）", "weight in kg"),
    "sku_picture_url": ("规格图片网址", "picture address of the SKU"),
}
