"""StringNormalizer's locales: Lambda's image has C, POSIX and C.UTF-8 only, and a graph that asks for more never loads.

C.UTF-8 changes the case of every letter as en_US.UTF-8 and all others do (compared over all of Unicode), but for the
dotless i of Turkish and its kin.
"""

import re
from typing import Final

import onnx

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_parts import nodes

_DEFAULT: Final = "en_US.UTF-8"
_THERE: Final = ("C", "POSIX", "C.UTF-8", "C.utf8")
_REPLACEMENT: Final = "C.UTF-8"
_DOTLESS: Final = ("tr", "az", "crh", "ku", "tt")


def replace_locales(model: onnx.ModelProto) -> str:
    """Let no operator ask for a locale that Lambda lacks, in place.

    Returns:
        What was done, in words; empty where nothing was.

    Raises:
        ConversionError: the one that is asked for has no equal.
    """
    replaced = set()
    for node in (node for node in nodes(model) if node.op_type == "StringNormalizer"):
        attribute = next((each for each in node.attribute if each.name == "locale"), None)
        if attribute is None:
            attribute = node.attribute.add(name="locale", type=onnx.AttributeProto.STRING, s=_DEFAULT.encode())
        locale = attribute.s.decode()
        if locale in _THERE:
            continue
        if re.split(r"[_.@-]", locale)[0] in _DOTLESS:
            raise ConversionError(
                f"its StringNormalizer needs the locale '{locale}', which Lambda lacks and no other equals in the"
                " letter i; lower the texts before the model, and export it without"
            )
        attribute.s = _REPLACEMENT.encode()
        replaced.add(locale)
    return f"locale {_REPLACEMENT} instead of {', '.join(sorted(replaced))}" if replaced else ""
