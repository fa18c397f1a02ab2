"""The export formats: the explicit dict from an output's `format` to the class that makes its rows."""

from __future__ import annotations

from config.schema import Output
from stages.io.exports.format import Format
from stages.io.exports.labelled import Kto, Prm
from stages.io.exports.preference import Dpo, Reward
from stages.io.exports.prompts import Grpo, Verl
from stages.io.exports.sft import Sft
from stages.io.exports.sharegpt import ShareGpt

FORMATS: dict[str, type[Format]] = {
    "dpo": Dpo,
    "grpo": Grpo,
    "kto": Kto,
    "prm": Prm,
    "reward": Reward,
    "sft": Sft,
    "sharegpt": ShareGpt,
    "verl": Verl,
}


def format_of(output: Output) -> Format:
    """Return the rows' maker of an output."""
    return FORMATS[output.format](output)
