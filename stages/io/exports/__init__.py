"""The export formats: the explicit dict from an output's `format` to the class that makes its rows."""

from __future__ import annotations

from stages.io.exports.conversations import Sft, ShareGpt
from stages.io.exports.format import Format
from stages.io.exports.labelled import Kto, Prm
from stages.io.exports.pairs import Dpo, Reward
from stages.io.exports.prompts import Grpo, Verl

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
