"""What the documents say can be followed: links lead somewhere, and pipelines are ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from needs import ROOT

from config.schema import Pipeline
from config.service import Service
from config.yamlfile import read

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


YAML = [
    pytest.param(block, id=f"{name}:{number}")
    for document, name in zip(DOCUMENTS, NAMES, strict=True)
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", document.read_text("utf-8"), re.DOTALL), 1)
    if not block.startswith("principles:")  # a constitution
]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_documents_show_yaml() -> None:
    assert len(YAML) > 5


@pytest.mark.parametrize("block", YAML)
def test_every_key_that_a_document_shows_exists(block: str) -> None:
    """A block is settings of the service, keys of the pipeline, or a list of stages; a key that is none raises."""
    shown, _, problems = read(block, "document")
    keys = {"stages": shown} if isinstance(shown, list) else shown
    assert not problems
    if "listen" in keys:
        Service.model_validate(keys)
        return
    Pipeline.model_validate({"source": {"type": "jsonl", "path": "seeds.jsonl"}, **keys})
