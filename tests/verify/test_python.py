from __future__ import annotations

import pytest
from needs import need_program

from config.schema import Verify
from stages.core.base import Place
from stages.core.record import Candidate, Group, Seed
from stages.verify.python import code_of
from stages.verify.stage import VerifyStage


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(): pass", "def f(): pass"),
        ("Here:\n```python\ndef f(): pass\n```\nDone.", "def f(): pass\n"),
        ("```py\ndef f(): pass\n```", "def f(): pass\n"),
        ("```\ndef f(): pass\n```", "def f(): pass\n"),
        ("```python\nimport math\n```\nthen\n```python\ndef f(): pass\n```", "import math\n\ndef f(): pass\n"),
        ("```python\ndef f(): pass\n```\nUse it:\n```python\nprint(f())\n```\n```\nNone\n```", "def f(): pass\n"),
        ("```python\nf = abs\n```", "f = abs\n"),
        ("```bash\npip install x\n```\n```python\ndef f(): pass\n```", "def f(): pass\n"),
        ("<think>```python\ndef g(): pass\n```</think>\ndef f(): pass", "\ndef f(): pass"),
    ],
)
def test_the_code_of_a_response_is_found(text, code):
    assert code_of(text) == code


async def test_candidates_run_against_their_seeds_tests():
    need_program("bwrap")
    config = Verify(check="python", tests="{{ test }}", entry_point="{{ name }}")
    stage = VerifyStage(Place("verify", 1), config)
    await stage.start()
    row = {"test": "def check(candidate):\n    assert candidate(2) == 4", "name": "double"}
    texts = ["```python\ndef double(x):\n    return x * 2\n```", "def double(x): return x * 3", "no code"]
    group = Group(Seed(0, "s", row), [Candidate(n, text) for n, text in enumerate(texts)])
    await stage.process(group)
    await stage.stop()
    assert [(c.state, c.reason) for c in group.candidates] == [
        ("live", ""),
        ("rejected", "wrong_answer"),
        ("rejected", "error"),
    ]


async def test_a_seed_without_tests_fails_its_verdicts():
    need_program("bwrap")
    stage = VerifyStage(Place("verify", 1), Verify(check="python", tests="{{ test }}"))
    await stage.start()
    group = Group(Seed(0, "s", {"test": " "}), [Candidate(0, "def f(): pass")])
    await stage.process(group)
    await stage.stop()
    assert (group.candidates[0].state, group.candidates[0].reason) == ("failed", "bad_reference")
