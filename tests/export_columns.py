"""The columns of each export, with where a trainer's documentation says so; docs/data.md is held to the same."""

from __future__ import annotations

from typing import NamedTuple

TRL = "https://huggingface.co/docs/trl/dataset_formats"
VERL = "https://verl.readthedocs.io/en/latest/preparation/prepare_data.html"
LLAMA_FACTORY = "https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md"
DIFFERENCE = {
    "margin": "double",
    "chosen_length": "int64",
    "rejected_length": "int64",
    "rejected_by": "string",
    "chosen_id": "string",
    "rejected_id": "string",
}
TURNS = "list<element: struct<role: string, content: string>>"


class Columns(NamedTuple):
    """A format's own columns with their types in Parquet, and the page that the trainer's are from."""

    source: str
    types: dict[str, str]


COLUMNS = {
    "sft": Columns(TRL, {"messages": TURNS}),
    "dpo": Columns(TRL, {"prompt": TURNS, "chosen": TURNS, "rejected": TURNS, **DIFFERENCE}),
    "reward": Columns(TRL, {"chosen": TURNS, "rejected": TURNS, **DIFFERENCE}),
    "kto": Columns(TRL, {"prompt": TURNS, "completion": TURNS, "label": "bool"}),
    "prm": Columns(TRL, {"prompt": "string", "completions": "list<element: string>", "labels": "list<element: bool>"}),
    "grpo": Columns(TRL, {"prompt": TURNS, "ground_truth": "string", "id": "string"}),
    "verl": Columns(
        VERL,
        {
            "data_source": "string",
            "prompt": TURNS,
            "ability": "string",
            "reward_model": "struct<style: string, ground_truth: string>",
            "extra_info": "struct<index: int64, id: string>",
        },
    ),
    "sharegpt": Columns(
        LLAMA_FACTORY,
        {
            "conversations": "list<element: struct<from: string, value: string>>",
            "system": "string",
            "tools": "string",
        },
    ),
}
