"""How a text is known to be in Chinese, or not to be."""

from __future__ import annotations

import re

CHINESE = re.compile(r"[\u3400-\u9fff\uff01-\uffee\u3001\u3002]")
#: Two Latin words beside each other are a sentence to a reader of Chinese; a name in code, a code or a unit is not.
SENTENCE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
