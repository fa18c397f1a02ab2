"""The audit of a run's judges, from its ledger and from gold, without a call: `audit.json`, and the same in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import orjson

from config.schema import Generate, Judge, Pipeline
from config.sieving import GOLD
from queues.ledger import Reader
from service.audit.gold import FILE, Gold
from service.human import share
from service.runs import rundir
from service.runs.store import made
from stages.core.record import Candidate, Group
from stages.io.atomic import replacing
from stages.io.store import Stored, unpack
from stages.judge.audit import JudgeAudit, Sees

_NO_FAMILY = re.compile(
    r"base|chat|coder?|flash|instruct|large|latest|lite|medium|mini|model|nano|preview|pro|reward|small|turbo|ultra"
)
"""Words in the names of models that say nothing of whose they are."""


class Audit:
    """A visitor of every group of a run, which then writes `audit.json`. `gold`: the file, else the run's own if any.

    Raises InputError where the gold file is none.
    """

    def __init__(self, pipeline: Pipeline, reader: Reader, folder: Path, gold: Path | None = None) -> None:
        self._pipeline, self._reader, self._folder = pipeline, reader, folder
        if gold is None and (folder / FILE).exists():
            gold = folder / FILE
        self._file, self._gold = gold, None if gold is None else Gold.load(gold)
        self._judges = [self._judge(at, stage) for at, stage in enumerate(pipeline.stages) if isinstance(stage, Judge)]
        self.found: list[dict[str, Any]] = []

    def see(self, stored: Stored) -> None:
        for judge, _ in self._judges:
            judge.see(stored.group)

    def end(self) -> None:
        if not self._judges:
            return
        rows = list(made(self._reader, "canary"))
        for judge, source in self._judges:
            name = judge.config.name
            figures = judge.figures([body for scope, body in rows if scope == name])
            self.found.append({**figures, "source": source, "family": _families(self._pipeline, judge.config)})
        with replacing(self._folder / "audit.json") as file:
            file.write(orjson.dumps(self.found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))

    def _judge(self, at: int, judge: Judge) -> tuple[JudgeAudit, str]:
        """Return a judge's audit, and where its gold comes from: a file, else the check by gold that tells most."""
        if self._gold is not None:
            return JudgeAudit(judge, self._gold.truth), str(self._file)
        stages = enumerate(self._pipeline.stages)
        checks = {
            one.name: self._sees(at, place) for place, one in stages if one.type == "verify" and one.check in GOLD
        }
        name = min(checks, key=lambda name: get_args(Sees).index(checks[name]), default="")

        def truth(_: Group, candidate: Candidate) -> bool | None:
            verdict = candidate.verdicts.get(name)
            return None if verdict is None else verdict.passed

        return JudgeAudit(judge, truth, checks.get(name, "all")), name

    def _sees(self, judge: int, check: int) -> Sees:
        """Return whose truth a check knows, of those a judge saw: whichever stands first may have taken some out."""
        if self._pipeline.stages[min(judge, check)].action == "mark":
            return "all"
        return "right" if check < judge else "passed"


def audit_run(run_dir: Path, gold: Path | None) -> str:
    """Audit a run that has begun, and return what to tell. Raises InputError."""
    pipeline = rundir.pipeline_of(run_dir)
    with rundir.open_reader(run_dir) as reader:
        audit = Audit(pipeline, reader, run_dir, gold)
        for rows in reader.groups():
            audit.see(unpack(*rows))
        audit.end()
    return "\n\n".join("\n".join(_told(found)) for found in audit.found) or f"{run_dir}: no stage of it is a judge"


def in_a_line(found: Sequence[Mapping[str, Any]]) -> str:
    """Return how far each judge can be trusted, for the summary of a run: the loudest first."""
    parts = []
    for one in sorted(found, key=lambda one: not one["trust"].startswith("UN")):
        parts.append(f"{one['stage']}: {one['trust']}" if len(found) > 1 else one["trust"])
        if one["canaries"]["passed"]:
            parts.append(_canaries(one))
    return " · ".join(parts)


def _families(pipeline: Pipeline, judge: Judge) -> list[str]:
    """Return the families, by their names, that a judge shares with the models that generate."""
    made = {alias for stage in pipeline.stages if isinstance(stage, Generate) for _, alias in stage.aliases()}
    judges = {alias for _, alias in judge.aliases()}
    ours, theirs = ({word for alias in names for word in _family(pipeline, alias)} for names in (judges, made))
    return sorted(ours & theirs)


def _family(pipeline: Pipeline, alias: str) -> set[str]:
    endpoint = pipeline.endpoints[alias]
    name = endpoint.model or str(endpoint.embedded)
    words = re.findall(r"[a-z]{3,}", name.rpartition("/")[2].casefold())
    return {word for word in words if not _NO_FAMILY.fullmatch(word)}


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield an audit line by line; what is not known is left out."""
    gold, panel = found["gold"], found["panel"] or {}
    yield f"{found['stage']}: {found['trust']}"
    unreadable = f", {found['unreadable']:,} unreadable" if found["unreadable"] else ""
    cut = "" if found["cut"] is None else f", those from its median {found['cut']:.3g} taken as passed"
    lines = [
        ("judged", f"{found['judged']:,}{unreadable}{cut}"),
        ("passed", _share(found["passed"])),
        ("gold", f"{gold['good']:,} good, {gold['bad']:,} bad, by {found['source']}" if found["source"] else ""),
        ("sensitivity", _share(found["sensitivity"], "of the good pass")),
        ("specificity", _share(found["specificity"], "of the bad do not")),
        ("precision", _share(found["precision"], "of what it passes is good")),
        ("yield", _share(found["yield"], "are good, by what it passes put right for its errors")),
        ("flips", _share(found["flips"], "of what was asked again the other way round")),
        ("longer wins", _share(found["longer_wins"], "of the seeds where it prefers one")),
        ("panel", _number("alpha", panel.get("alpha"))),
        *(("", _number(f"kappa {pair}", kappa)) for pair, kappa in panel.get("kappa", {}).items()),
        ("canaries", _canaries(found) if found["canaries"]["shown"] else ""),
        *(("", f"passed: {name}") for name in found["canaries"]["passed"]),
        ("family", f"{', '.join(found['family'])}: it judges its own kind" if found["family"] else ""),
    ]
    for label, text in lines:
        if text:
            yield f"  {label:<13}{text}"


def _canaries(found: Mapping[str, Any]) -> str:
    canaries = found["canaries"]
    return f"passed {len(canaries['passed'])} of {len(canaries['shown'])} responses that hold nothing"


def _share(estimate: Mapping[str, float] | None, of: str = "") -> str:
    return "" if estimate is None else f"{share(estimate)} {of}".rstrip()


def _number(name: str, estimate: Mapping[str, float] | None) -> str:
    if estimate is None:
        return ""
    return f"{name} {estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"
