"""Rules for one stage where it stands, by its type. A rule's findings have their `loc` from the stage on.

The rules of ORDER look at what other stages are, and so hold only where every stage's type is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from config.problems import Finding, Loc
from config.schema import CrossCheck, Dedupe, Difficulty, Generate, Judge, Pipeline, Score, Select, Stage, Verify, Vote
from config.sieving import GOLD
from service.check import batches, scoring, transforming
from service.check.at import At, Rules
from service.check.resources import Columns, columns_behind, no_column
from stages.registry import ONE_AT_A_TIME, wave_end


def problems(pipeline: Pipeline, columns: Columns, rules: Rules) -> Iterator[Finding]:
    """Yield what the rules find, stage by stage."""
    for number, stage in enumerate(pipeline.stages):
        before = pipeline.stages[:number]
        at = At(pipeline, columns_behind(columns, before), before, pipeline.stages[number + 1 :])
        for rule in rules.get(stage.type, ()):
            yield from (found._replace(loc=("stages", number, *found.loc)) for found in rule(stage, at))


def whole(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield what is wrong with the list of stages as such: names that are taken, and nothing that makes candidates."""
    if not any(map(transforming.makes, pipeline.stages)) and pipeline.source.candidates is None:
        message = "nothing makes candidates; add a `generate` stage, or name those of the source with `candidates:`"
        yield Finding(("stages",), message)
    names = [stage.name for stage in pipeline.stages]
    for number, name in enumerate(names):
        if (other := names.index(name)) < number:
            message = f'stages[{other}] is named "{name}" too; write a `name:` of its own, such as {name}_2'
            yield Finding(("stages", number, "name"), message)


def _prompts(stage: Generate, at: At) -> Iterator[Finding]:
    if not stage.prompts and at.pipeline.source.messages is None and not any(map(transforming.chats, at.before)):
        message = 'missing; write for example prompts: ["{{ question }}"], or `messages: COLUMN` in the source'
        yield Finding(("prompts",), message)


def _fallback(stage: Verify, _: At) -> Iterator[Finding]:
    if stage.check == "plugin" and (stage.against is None) != (stage.fallback is None):
        message = "only its `fallback` reads it" if stage.fallback is None else "`fallback` needs: against: ..."
        yield Finding(("against",), message)


def _voices(stage: CrossCheck, _: At) -> Iterator[Finding]:
    voices = stage.samples * (stage.endpoint is not None) + (stage.function is not None)
    if not voices:
        yield Finding(("endpoint",), "missing; name the model that is asked (or a program: `function`)")
    elif stage.min_agree > voices:
        yield Finding(("min_agree",), f"{stage.min_agree} can never agree, only {voices}; ask for more `samples`")


def _compares(stage: Dedupe, _: At) -> Iterator[Finding]:
    if not (stage.exact or stage.near or stage.semantic):
        yield Finding(("exact",), "nothing is left to compare by; remove it, or write `near: {threshold: 0.8}`")


def _online(stage: Dedupe, _: At) -> Iterator[Finding]:
    if stage.mode == "online":
        if stage.action == "mark":
            yield Finding(
                ("action",), "`mode: online` is there to stop duplicates; `mode: canonical` marks them as well"
            )
        if stage.keep.by == "score":
            yield Finding(("keep", "by"), "`mode: online` keeps who comes first; write `mode: canonical`")


def _existing(stage: Dedupe, _: At) -> Iterator[Finding]:
    if stage.existing is not None and stage.scope == "seed":
        yield Finding(("existing",), "`scope: seed` compares with nothing outside a seed; remove one of them")
    if stage.existing is not None and stage.semantic is not None and not (stage.exact or stage.near):
        message = (
            "what exists has no embeddings to compare with; write `exact: true` or `near: {threshold: 0.8}` beside it"
        )
        yield Finding(("existing",), message)


def _judged_by(stage: Judge, at: At) -> Iterator[Finding]:
    principles = stage.constitution or at.pipeline.constitution or stage.prompt
    if stage.mode == "eliminate" and not principles:
        message = "missing; a judge needs principles: write `constitution: constitution.yaml` here or at the top"
        yield Finding(("constitution",), message)
    if stage.mode == "rubric" and not (principles or stage.axes):
        message = "missing; write for example axes: {clarity: How easy it is to follow.}, or a `constitution`"
        yield Finding(("axes",), message)
    yield from no_column(("rubric",), stage.rubric, at.columns)
    low, high = stage.scale if stage.mode == "rubric" else (0, 1)
    if stage.threshold is not None and stage.mode != "reward" and not low <= stage.threshold <= high:
        yield Finding(("threshold",), f"scores of `mode: {stage.mode}` go from {low} to {high}")


def _panel(stage: Judge | Score, _: At) -> Iterator[Finding]:
    for place, alias in enumerate(stage.endpoint):
        if alias in stage.endpoint[:place]:
            yield Finding(("endpoint", place), f'"{alias}" sits in this panel already; ask it more by `samples`')


def _escalates(stage: Judge, _: At) -> Iterator[Finding]:
    escalate, alone = stage.escalate, len(stage.endpoint) == 1
    if escalate is None:
        return
    if escalate.when == "unsure" and alone and stage.threshold is None and stage.mode != "eliminate":
        yield Finding(("threshold",), "missing; without one nothing is near it, so nobody is ever unsure")
    if escalate.to in stage.endpoint:
        yield Finding(("escalate", "to"), f'"{escalate.to}" has been asked already; name another endpoint')
    if escalate.when == "split" and alone:
        yield Finding(("escalate", "when"), "a single judge cannot be split; write `when: unsure`")


KEYS: Rules = {
    "generate": (_prompts,),
    "verify": (_fallback,),
    "cross_check": (_voices,),
    "dedupe": (_compares, _online, _existing),
    "difficulty": (scoring.samples, scoring.asked),
    "score": (scoring.anything, _panel, scoring.opinions, scoring.axes),
    "judge": (_judged_by, _panel, _escalates, batches.routes),
    "transform": (transforming.needs, transforming.gates),
}


def _first(stage: Generate, at: At) -> Iterator[Finding]:
    before = [earlier for earlier in transforming.same_seeds(at) if earlier.type != "annotate"]
    if before and isinstance(before[0], Generate):
        message = "a second `generate`; give the first one more `prompts`, and `endpoint` a list (or `emit: seeds`)"
        yield Finding(("type",), message)
    elif before:
        message = f'"{before[0].name}" before it would never see its candidates; move `generate` up'
        yield Finding(("type",), message)


def _until(stage: Generate, at: At) -> Iterator[Finding]:
    """One wave can only be decided where every candidate has been judged by itself and none compared."""
    if stage.until is None:
        return
    for key in ("max_candidates", "mean_candidates"):
        if (most := getattr(stage.until, key)) is not None and most < stage.candidates:
            message = f"the first wave has {stage.candidates} (`candidates`); write at least as many"
            yield Finding(("until", key), message)
    end, names = wave_end(at.pipeline.stages, stage), [one.name for one in at.after]
    message = ""
    if end == stage.name:
        behind = _needs_all(at.after[:1])
        message = f"{behind} right behind it must see all waves at once" if behind else "no stage stands behind it"
        message += ", so nothing can be counted; put a verify or a judge there"
    elif end not in names:
        message = f'there is no stage "{stage.until.after}" after {stage.name}; there are: {", ".join(names) or "none"}'
    elif between := _needs_all(at.after[: names.index(end) + 1]):
        message = f"{between} must see all waves at once; let `after` name a stage before it"
    if message:
        yield Finding(("until", "after"), message)


def _stop(stage: Vote, at: At) -> Iterator[Finding]:
    made = [number for number, one in enumerate(at.before) if isinstance(one, Generate)]
    if stage.stop is not None and not made:
        yield Finding(("stop",), "nothing before it generates candidates, so it cannot ask for more; remove it")
    elif stage.stop is not None and (between := _needs_all(at.before[made[0] + 1 :])):
        yield Finding(("stop",), f"{between} before it must see all waves at once; put the vote before that")


def _needs_all(stages: Iterable[Stage]) -> str:
    """Return the first of the stages that compares candidates, as messages name it; empty where none does."""
    return next((f'"{stage.name}" ({stage.type})' for stage in stages if stage.type not in ONE_AT_A_TIME), "")


_MADE_BY = {"rank": "a rank stage", "vote": "a vote stage", "score": "a score stage or a judge that scores"}
"""What `by:` may ask for, and what makes it."""


def _by(stage: Select | Vote | Dedupe, at: At) -> Iterator[Finding]:
    asked: dict[Loc, str | None] = {}
    match stage:
        case Select():
            agree = stage.agree.with_ if stage.agree else ()
            asked = {("by",): stage.by, **{("agree", "with", place): by for place, by in enumerate(agree)}}
        case Vote():
            asked = {("weights",): stage.weights}
        case Dedupe():
            asked = {("keep", "by"): stage.keep.by}
    made = {"score" if _scores(earlier) else earlier.type for earlier in at.before}
    for loc, by in asked.items():
        if by in _MADE_BY and by not in made:
            yield Finding(loc, f'"{by}" needs {_MADE_BY[by]} before it')


def _scores(stage: Stage) -> bool:
    if isinstance(stage, Verify):
        return stage.check in ("plugin", "grounded")
    return isinstance(stage, Judge) and stage.mode != "eliminate"


def _too_late(stage: Dedupe, at: At) -> Iterator[Finding]:
    waiting = [one.name for one in at.before if _sees_all(one)]
    if stage.mode == "online" and waiting:
        message = f'"{waiting[0]}" before it has seen every seed already; move this one before it, or make it canonical'
        yield Finding(("mode",), message)


def _sees_all(stage: Stage) -> bool:
    if isinstance(stage, Dedupe):
        return (stage.mode, stage.scope) == ("canonical", "run")
    return isinstance(stage, Difficulty) and bool(stage.target)


ORDER: Rules = {
    "generate": (_first, _until),
    "select": (_by,),
    "vote": (_stop, _by),
    "dedupe": (_by, _too_late),
    "difficulty": (scoring.truth, scoring.enough),
    "transform": (transforming.place,),
}


def _after_gold(_: Vote, at: At) -> Iterator[Finding]:
    for earlier in at.before:
        if isinstance(earlier, Verify) and earlier.check in GOLD and earlier.action == "reject":
            message = (
                f'whoever comes past "{earlier.name}" has the right answer, so this vote decides nothing; '
                f"move it before, or write `action: mark` there"
            )
            yield Finding(("type",), message)


HARDLY_MEANT: Rules = {"generate": (batches.waves,), "vote": (_after_gold, batches.stops)}
"""What works and makes no sense."""
