from __future__ import annotations

from stages.core.record import Candidate, Group, Seed
from stages.core.task import conversation, task_text


def group(messages: list[dict[str, object]] | None = None) -> Group:
    return Group(Seed(0, "s0", {"id": "s0", "question": "3 + 4?"}, messages=messages))


def user(text: str) -> list[dict[str, object]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


def test_a_candidates_task_is_the_prompt_it_was_sent():
    one = group(messages=user("from the seed"))
    one.candidates = [Candidate(0, "", prompt=user("Solve: 3 + 4?")), Candidate(1, "")]
    assert task_text(one, one.candidates[0]) == "Solve: 3 + 4?"
    assert task_text(one, one.candidates[1]) == "from the seed"


def test_a_seeds_task_is_the_prompt_of_the_first_template_whoever_got_it():
    one = group()
    one.candidates = [
        Candidate(0, "", prompt=user("B: 3 + 4?"), lineage={"prompt": 1}),
        Candidate(1, "", prompt=user("A: 3 + 4?"), lineage={"prompt": 0}),
    ]
    assert task_text(one) == "A: 3 + 4?"


def test_without_any_prompt_the_row_stands_for_it_and_its_id_does_not():
    one = group()
    assert task_text(one) == '{"question":"3 + 4?"}'
    assert task_text(one, Candidate(0, "")) == '{"question":"3 + 4?"}'


def test_several_turns_keep_their_roles_and_parts_of_content_are_joined():
    parts = [{"type": "text", "text": "Hi"}, {"type": "image_url"}, {"type": "text", "text": "there"}]
    turns = [*user("One?"), {"role": "assistant", "content": None}, {"role": "user", "content": parts}]
    assert conversation(turns) == "user: One?\nassistant: \nuser: Hi\nthere"
