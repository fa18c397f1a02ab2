"""The export formats: the explicit dict from an output's `format` to the class that makes its rows."""

from __future__ import annotations

from config.schema import Output
from stages.io.exports.dpo import Dpo
from stages.io.exports.format import Format
from stages.io.exports.sft import Sft

FORMATS: dict[str, type[Format]] = {"dpo": Dpo, "sft": Sft}


def format_of(output: Output) -> Format:
    """Return the rows' maker of an output."""
    return FORMATS[output.format](output)
