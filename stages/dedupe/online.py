"""Online dedupe: stops duplicates as they come, before what stands after this stage is paid for.

Whoever arrives first claims its text, and keeps it as long as it lives; arrival decides. A claim is provisional until
its group has left the phase, so a twin of an open claim is not dropped: its whole group waits in the store, claims
nothing meanwhile, and comes back when the groups under way have left. Then its twin is out, and it is dropped, or the
twin fell, and it goes on. In every round the first group that comes back finds no open claim, so the rounds end.

Twins of one seed cannot wait for each other: the later one is dropped at once, and `ReviveStage` brings it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from config.schema import Dedupe
from stages.core.base import Again, ClaimStage, Decisions, Outcome, Place, Stage, Wait
from stages.core.record import Candidate, Group, Verdict
from stages.dedupe.claims import Claim, Claims, verdict_on
from stages.dedupe.corpus import BATCH, Twin
from stages.dedupe.documents import Batch, Document, Hashed, Likeness, Measure
from stages.dedupe.existing import existing_documents
from stages.dedupe.neighbours import Neighbours
from stages.dedupe.size import IndexSize


@dataclass(slots=True)
class _Held:
    """A claim of candidates `ns`, with what it takes to compare it: open as long as its group is on its way."""

    id: str
    hashed: Hashed
    ns: Sequence[int] = ()
    open: bool = False


_Rival = tuple[_Held, Likeness]
"""A twin of a claim, and how alike they are."""


class OnlineDedupe(ClaimStage):
    """Duplicates among all claims that stand or are open; with `scope: seed` among those of one seed."""

    makes_candidates = True
    """Who is brought back comes in here again."""

    def __init__(self, place: Place, config: Dedupe, decisions: Decisions) -> None:
        super().__init__(place)
        self._config, self._claims, self._measure = config, Claims(self, config), Measure(config)
        self._together, self._across = _Together(self._measure), config.scope == "run"
        self._size = IndexSize(self.name, config.memory_mb, decisions)
        self._index = Neighbours(self._measure.cosine)
        self._held: dict[int, _Held] = {}
        self._open: dict[int, list[int]] = {}
        self._next = self._nbytes = 0

    async def start(self) -> None:
        rows = existing_documents(self._config)
        while some := tuple(islice(rows, BATCH)):
            ids, documents = zip(*some, strict=True)
            for id_, hashed in zip(ids, await self._together.hashed(documents), strict=True):
                self._hold(_Held(id_, hashed))

    async def stop(self) -> None:
        """Tell how large the index became."""
        await self._size.tell(len(self._held), self._nbytes + self._index.nbytes)

    async def replay(self, group: Group, *, on_its_way: bool) -> None:
        """Take in what stands of an earlier process, or is still open."""
        if not self._across:
            return
        passed = [one for one in group.candidates if one.state in ("live", "accepted") and self._has_passed(one)]
        claims = list(self._claims.of(group, passed))
        hashes = await self._together.hashed([claim.document for claim in claims])
        for claim, hashed in zip(claims, hashes, strict=True):
            no = self._hold(_Held(claim.id, hashed, _ns(claim), on_its_way))
            if on_its_way:
                self._open.setdefault(group.seed.no, []).append(no)

    async def process(self, group: Group) -> Outcome:
        for no in self._open.pop(group.seed.no, ()):
            self._free(no)
        before = [candidate for candidate in group.live if self.name in candidate.verdicts]
        candidates = sorted([*before, *self.chosen(group)], key=lambda one: one.n)
        claims = list(self._claims.of(group, candidates))
        hashes = await self._together.hashed([claim.document for claim in claims])
        return self._decide(group, claims, hashes)

    def left(self, group: Group) -> None:
        """Close a group's claims: those stand of which a candidate lives, the others are free again."""
        alive = {one.n for one in group.candidates if one.state in ("live", "accepted")}
        for no in self._open.pop(group.seed.no, ()):
            held = self._held[no]
            held.open = False
            if alive.isdisjoint(held.ns):
                self._free(no)

    def _decide(self, group: Group, claims: Sequence[Claim], hashes: Sequence[Hashed]) -> Outcome:
        """Judge all claims of a group, or none where one of them must wait."""
        own: list[_Held] = []
        verdicts: list[Verdict] = []
        for claim, hashed in zip(claims, hashes, strict=True):
            near = (self._held[no] for no in self._index.near(hashed.keys, hashed.vector))
            verdict = self._verdict(self._rivals(hashed, near), self._rivals(hashed, own))
            if verdict is None:
                return Wait()
            verdicts.append(verdict)
            if verdict.passed:
                own.append(_Held(claim.id, hashed, _ns(claim), open=True))
        if self._across:
            self._open[group.seed.no] = [self._hold(held) for held in own]
        for claim, verdict in zip(claims, verdicts, strict=True):
            for candidate in claim.candidates:
                if not (verdict.passed and self._has_passed(candidate)):
                    self.judge(group, candidate, verdict)
        return None

    def _verdict(self, others: Sequence[_Rival], mates: Sequence[_Rival]) -> Verdict | None:
        """Return what becomes of a claim with these twins; None where open ones may yet fall."""
        most = self._config.keep.per_cluster
        standing = [(held, likeness) for held, likeness in others if not held.open]
        if len(standing) >= most:
            return _dropped(standing)
        if len(others) + len(mates) < most:
            return Verdict(True)
        if len(others) > len(standing):
            return None
        verdict = _dropped([*standing, *mates])
        verdict.data["mates"] = [mate.ns[0] for mate, _ in mates]
        return verdict

    def _rivals(self, hashed: Hashed, among: Iterable[_Held]) -> list[_Rival]:
        measure = self._measure
        return [(one, alike) for one in among if (alike := measure.likeness(hashed, one.hashed)) is not None]

    def _hold(self, held: _Held) -> int:
        no, self._next = self._next, self._next + 1
        self._index.add(no, held.hashed.keys, held.hashed.vector)
        held.hashed = held.hashed.alone()
        self._held[no] = held
        self._nbytes += held.hashed.nbytes
        self._size.check(self._nbytes + self._index.nbytes)
        return no

    def _free(self, no: int) -> None:
        self._index.discard(no)
        self._nbytes -= self._held.pop(no).hashed.nbytes

    def _has_passed(self, candidate: Candidate) -> bool:
        verdict = candidate.verdicts.get(self.name)
        return verdict is not None and verdict.passed is True


def _dropped(rivals: Sequence[_Rival]) -> Verdict:
    closest, likeness = max(rivals, key=lambda rival: rival[1].similarity)
    return verdict_on(Twin(closest.id, likeness))


def _ns(claim: Claim) -> tuple[int, ...]:
    return tuple(candidate.n for candidate in claim.candidates)


class ReviveStage(Stage):
    """Stands where the candidates of a seed are about to be compared, and brings back those whose twin fell on the way.

    Only twins of the same seed: for those of others the group waited.
    """

    on_seeds = True

    def __init__(self, place: Place, dedupe: str) -> None:
        super().__init__(place)
        self._dedupe = dedupe

    async def process(self, group: Group) -> Outcome:
        fallen = {one.n for one in group.candidates if one.state != "live"}
        back = [
            one
            for one in group.candidates
            if one.stage == self._dedupe and fallen.intersection(one.verdicts[self._dedupe].data.get("mates", ()))
        ]
        for candidate in back:
            group.revive(candidate)
            del candidate.verdicts[self._dedupe]
        return Again(0) if back else None


class _Together:
    """Hashes what several groups ask for at a time as one batch, in a thread; meanwhile the next batch gathers."""

    def __init__(self, measure: Measure) -> None:
        self._measure, self._busy = measure, False
        self._documents: list[Document] = []
        self._asked: list[_Asked] = []

    async def hashed(self, documents: Sequence[Document]) -> list[Hashed]:
        """Return what is left of documents."""
        if not documents:
            return []
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[list[Hashed]] = loop.create_future()
        self._asked.append((range(len(self._documents), len(self._documents) + len(documents)), mine))
        self._documents.extend(documents)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin)  # who comes in this turn of the loop is in it
        return await mine

    def _begin(self) -> None:
        documents, asked = self._documents, self._asked
        self._documents, self._asked, self._busy = [], [], bool(asked)
        if asked:
            work = asyncio.get_running_loop().run_in_executor(None, self._measure.hashed, documents)
            work.add_done_callback(lambda done: self._end(asked, done))

    def _end(self, asked: Sequence[_Asked], done: asyncio.Future[Batch]) -> None:
        self._begin()
        error = None if done.cancelled() else done.exception()
        for places, mine in asked:
            if mine.done():  # nobody waits any more
                continue
            if done.cancelled():  # the loop ends
                mine.cancel()
            elif error is not None:
                mine.set_exception(error)
            else:
                batch = done.result()
                mine.set_result([batch[i] for i in places])


_Asked = tuple[range, asyncio.Future[list[Hashed]]]
"""Where somebody's documents stand in a batch, and who waits for them."""
