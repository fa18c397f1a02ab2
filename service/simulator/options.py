"""What a simulator can be told: the fields of `Options`, which are the options of `tamis simulate` too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer


class Beta(NamedTuple):
    """The distribution of the questions' chances to be answered right."""

    a: float
    b: float

    def __str__(self) -> str:
        return f"{self.a:g},{self.b:g}"


_BETA = Beta(0.5, 0.8)


def _beta(text: object) -> Beta:
    try:
        a, b = (float(part) for part in str(text).split(","))
    except ValueError:
        a = b = 0.0
    if min(a, b) <= 0:
        raise typer.BadParameter("two numbers above 0 with a comma between them, e.g. 0.5,0.8")
    return Beta(a, b)


def _share(text: str) -> Any:
    return typer.Option(help=text, min=0, max=1)


def _amount(text: str) -> Any:
    return typer.Option(help=text, min=0)


@dataclass(frozen=True, slots=True)
class Options:
    """The whole simulator; what each field means is its help text."""

    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 9000
    seed: Annotated[int, typer.Option(help="All content and every fault follow from it.")] = 7
    model: Annotated[list[str] | None, typer.Option(help="Model name, repeatable; left out: simulated.")] = None

    accuracy: Annotated[float | None, _share("Chance of a right answer, the same for all.")] = None
    beta: Annotated[Beta, typer.Option(help="A,B: or each question's own, from Beta(A,B).", parser=_beta)] = _BETA
    common_wrong: Annotated[float, _share("Share of a question's wrong answers that agree.")] = 0.5
    truth: Annotated[
        Path | None, typer.Option(help="JSONL file of questions with known answers.", exists=True, dir_okay=False)
    ] = None
    question: Annotated[str, typer.Option(help="The column of --truth that holds the question.")] = "question"
    gold: Annotated[str, typer.Option(help="Template that gives a row's answer.")] = "{{ answer }}"
    collapse: Annotated[
        int | None, _amount("Of texts without a question: the share of repeats rises from 2 % to 40 % after so many.")
    ] = None
    reasoning: Annotated[
        Literal["off", "field", "tags"], typer.Option(help="Emit a trace: a field, or <think> tags.")
    ] = "off"

    sensitivity: Annotated[float, _share("Share of right answers that the judge passes.")] = 0.95
    specificity: Annotated[float, _share("Share of wrong answers that the judge fails.")] = 0.9
    position_bias: Annotated[float, _share("Share of comparisons that the response shown first wins anyway.")] = 0.0
    canary_weakness: Annotated[
        float, _share("Share of master keys, and of long or confident errors, that it passes.")
    ] = 0.0

    rewrite_loses: Annotated[
        float, _share("Share of rewrites that lose the answer, of quotations and answers that are made up.")
    ] = 0.0

    latency: Annotated[float, _amount("Median seconds of a call.")] = 0.0
    jitter: Annotated[float, _amount("Sigma of the log-normal latency.")] = 0.0
    rpm: Annotated[float | None, _amount("Requests per minute; more is refused.")] = None
    tpm: Annotated[float | None, _amount("Tokens per minute; more is refused.")] = None
    rpd: Annotated[int | None, _amount("Requests per day; what comes then is refused until the next.")] = None
    max_concurrency: Annotated[int | None, _amount("Concurrent calls; more is refused.")] = None
    halve_after: Annotated[float | None, _amount("Seconds after which both limits per minute are halved.")] = None
    slots: Annotated[int | None, typer.Option(help="Calls worked on at once; others queue.", min=1)] = None
    retry_after: Annotated[float | None, _amount("Seconds that refusals advise to wait.")] = None
    context: Annotated[int | None, _amount("Most tokens of prompt and completion together.")] = None
    api_key: Annotated[str | None, typer.Option(help="Ask for this bearer token.")] = None
    revoke_after: Annotated[int | None, _amount("The token is refused after so many replies.")] = None

    batch_s: Annotated[float, _amount("Seconds that a batch takes.")] = 0.0

    refuse: Annotated[float, _share("Share of first arrivals refused with a 429.")] = 0.0
    error: Annotated[float, _share("Share answered with a 500.")] = 0.0
    reset: Annotated[float, _share("Share whose connection is reset.")] = 0.0
    hang: Annotated[float, _share("Share never answered.")] = 0.0
    malformed: Annotated[float, _share("Share answered with a broken body.")] = 0.0

    @property
    def models(self) -> Sequence[str]:
        return self.model or ("simulated",)
