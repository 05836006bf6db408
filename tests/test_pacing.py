"""Who writes next, and when; time is an argument."""

from __future__ import annotations

import random

import pytest

from bot.platform import Bucket, BucketState
from bot.show.budget import CROWD, Ticket
from bot.show.pacing import KEPT, Pacing
from bot.show.windows import OVERDUE
from bot.show.writes import Rank
from bot.store.peers import Others
from tests.bench.sharing import shared

SLACK = Bucket("slack/T1/chat.update", 50 / 60, 50, spacing=1.0)
POSTS = Bucket("slack/T1/chat.postMessage/C1", 0.8, 8)
EVERYTHING = Bucket("discord/global", 45.0, 45)


def ticket(rank: Rank, since: float = 0.0, *buckets: Bucket, escape: tuple[Bucket, ...] = ()) -> Ticket:
    return Ticket(buckets or (SLACK,), rank, since, escape)


def drive(pacing: Pacing, until: float, now: float = 0.0) -> list[tuple[float, Ticket]]:
    """Let time pass, every write being answered at once; return who was admitted when."""
    admitted = []
    while True:
        while going := pacing.admit(now):
            for one in going:
                pacing.accepted(one.escape if one.escaped else one.buckets, [], now)
            admitted += [(now, one) for one in going]
        wakes = pacing.wakes(now)
        if wakes is None or wakes > until:
            return admitted
        assert wakes > now, "a wake-up in the past is a busy loop"
        now = wakes


def live(pacing: Pacing, answers: int, now: float = 0.0, bucket: Bucket = SLACK) -> None:
    for number in range(answers):
        pacing.enter(number, [bucket], now)


def test_a_rested_budget_admits_at_once():
    pacing = Pacing()
    pacing.wait(one := ticket(Rank.FINAL), 0.0)
    assert pacing.admit(0.0) == [one]


def test_finals_go_first_then_placeholders_then_who_waited_longest():
    pacing = Pacing()
    live(pacing, 4)
    waiting = [
        ticket(Rank.PREVIEW, 2.0),
        ticket(Rank.PREVIEW, 1.0),
        ticket(Rank.PLACEHOLDER, 3.0),
        ticket(Rank.FINAL, 4.0),
    ]
    for one in waiting:
        pacing.wait(one, 4.0)
    assert [one for _, one in drive(pacing, 100.0, 4.0)] == [waiting[3], waiting[2], waiting[1], waiting[0]]


def test_previews_cost_more_the_more_answers_are_live():
    def waited(answers: int) -> float:
        pacing = Pacing()
        live(pacing, answers)
        pacing.wait(ticket(Rank.PREVIEW, 0.0), 0.0)
        return drive(pacing, 60.0)[0][0]

    assert waited(1) < waited(4) < waited(16)


def test_a_first_text_is_cheaper_than_more_text():
    pacing = Pacing()
    live(pacing, 8)
    more, first = ticket(Rank.PREVIEW, 0.0), ticket(Rank.FIRST, 0.5)
    pacing.wait(more, 0.5)
    pacing.wait(first, 0.5)
    assert [one for _, one in drive(pacing, 60.0, 0.5)] == [first, more]


def test_a_final_takes_the_turn_of_previews_that_wait():
    pacing = Pacing()
    live(pacing, 8)
    for number in range(8):
        pacing.wait(ticket(Rank.PREVIEW, number / 10), 1.0)
    pacing.wait(final := ticket(Rank.FINAL, 1.0), 1.0)
    assert pacing.admit(1.0)[0] is final


@pytest.mark.parametrize("seed", range(3))
def test_no_minute_holds_more_than_fifty_calls(seed):
    rng = random.Random(seed)
    pacing, times, now = Pacing(), [], 0.0
    live(pacing, 8)
    while now < 600:
        if rng.random() < 0.8:
            pacing.wait(ticket(rng.choice(list(Rank)), now), now)
        until = now + rng.expovariate(1.0)
        times += [time for time, _ in drive(pacing, until, now)]
        now = until
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= 50


def test_a_429_silences_the_bucket_for_as_long_as_it_says():
    pacing = Pacing()
    pacing.wait(first := ticket(Rank.FINAL), 0.0)
    assert pacing.admit(0.0) == [first]
    pacing.refused([SLACK], SLACK.key, 10.0, 0.1)
    pacing.wait(ticket(Rank.FINAL, 0.2), 0.2)
    assert drive(pacing, 60.0, 0.2)[0][0] >= 10.1


def test_a_429_of_one_bucket_leaves_the_others_alone():
    pacing = Pacing()
    other = Bucket("discord/PATCH/1", 1.0, 5, told=True)
    pacing.wait(one := ticket(Rank.FINAL, 0.0, other, EVERYTHING), 0.0)
    assert pacing.admit(0.0) == [one]
    pacing.refused([other, EVERYTHING], EVERYTHING.key, 60.0, 0.1)
    pacing.wait(slack := ticket(Rank.FINAL, 0.2), 0.2)
    pacing.wait(ticket(Rank.FINAL, 0.2, other, EVERYTHING), 0.2)
    assert pacing.admit(0.2) == [slack]
    assert drive(pacing, 100.0, 0.2)[0][0] >= 60.1


def test_a_429_of_a_bucket_that_was_not_spent_closes_that_bucket_and_no_other():
    patch, post = (Bucket(f"discord/{method}/1", 1.0, 5, told=True) for method in ("PATCH", "POST"))
    pacing = Pacing()
    for bucket in (patch, post):
        pacing.wait(one := ticket(Rank.FINAL, 0.0, bucket, EVERYTHING), 0.0)
        assert pacing.admit(0.0) == [one]
        pacing.accepted(one.buckets, [BucketState(bucket.key, 4, 5.0)], 0.1)
    pacing.wait(one := ticket(Rank.FINAL, 0.1, post, EVERYTHING), 0.1)
    assert pacing.admit(0.1) == [one]
    pacing.refused(one.buckets, patch.key, 60.0, 0.2)
    pacing.wait(edit := ticket(Rank.FINAL, 0.3, patch, EVERYTHING), 0.3)
    pacing.wait(again := ticket(Rank.FINAL, 0.3, post, EVERYTHING), 0.3)
    assert pacing.admit(0.3) == [again]
    pacing.accepted(again.buckets, [], 0.4)
    assert drive(pacing, 100.0, 0.4)[0][0] >= 60.2
    assert not edit.waiting


def test_a_429_of_another_call_teaches_its_bucket_and_that_of_the_write_nothing():
    pacing = Pacing()
    for bucket in (SLACK, POSTS):
        pacing.wait(one := ticket(Rank.FINAL, 0.0, bucket), 0.0)
        assert pacing.admit(0.0) == [one]
        pacing.accepted(one.buckets, [], 0.1)
    pacing.wait(one := ticket(Rank.FINAL, 1.0), 1.0)
    assert pacing.admit(1.0) == [one]
    pacing.refused(one.buckets, POSTS.key, 5.0, 1.1)
    edits, posts = pacing.readings(1.1)
    assert (edits.left, edits.blocked) == (48, 0.0)  # the write may have been made
    assert posts.blocked > 5.0
    edits, posts = pacing.readings(100.0)
    assert (edits.left, posts.left) == (50, 8)


def crowded_final(answers: int) -> Ticket:
    """Return what became of a final among so many live answers, with all calls but a few spent."""
    pacing = Pacing()
    live(pacing, answers)
    for number in range(46):
        pacing.wait(ticket(Rank.FINAL, number / 100), 0.0)
    drive(pacing, 1.0)
    pacing.wait(final := ticket(Rank.FINAL, 5.0, escape=(POSTS,)), 5.0)
    drive(pacing, 120.0, 5.0)
    return final


def test_among_many_a_final_escapes_to_another_bucket():
    assert crowded_final(16).escaped


def test_a_final_that_finds_others_under_way_in_the_other_bucket_escapes_soon_after():
    pacing = Pacing()
    live(pacing, 16)
    for number in range(50):
        pacing.wait(ticket(Rank.FINAL, number / 100), 0.0)
    drive(pacing, 1.0)
    finals = [ticket(Rank.FINAL, 5.0 + number, escape=(POSTS,)) for number in range(3)]
    for final in finals:
        pacing.wait(final, 8.0)
    assert pacing.admit(8.0) == finals[:2]  # neither is answered
    assert drive(pacing, 8.0 + OVERDUE, 8.0) == [(8.0 + OVERDUE, finals[2])]
    assert finals[2].escaped


def test_among_few_nobody_sees_a_message_replaced():
    assert not crowded_final(CROWD - 1).escaped


def test_a_ticket_that_is_withdrawn_costs_nothing():
    pacing = Pacing()
    tickets = [ticket(Rank.FINAL, i) for i in range(6)]
    for one in tickets:
        pacing.wait(one, 0.0)
    pacing.withdraw(tickets[0])
    assert drive(pacing, 0.0) == [(0.0, one) for one in tickets[1:]]


def test_a_write_needs_all_its_buckets():
    pacing = Pacing()
    narrow = [Bucket(f"discord/PATCH/{i}", 1.0, 5, told=True) for i in range(60)]
    for bucket in narrow:
        pacing.wait(ticket(Rank.FINAL, 0.0, bucket, EVERYTHING), 0.0)
    times = [time for time, _ in drive(pacing, 5.0)]
    assert len(times) == 60
    assert times.count(0.0) == EVERYTHING.burst


def test_budgets_at_rest_are_forgotten():
    pacing = Pacing()
    for i in range(3 * KEPT):
        bucket = Bucket(f"discord/PATCH/{i}", 1.0, 5)
        pacing.wait(ticket(Rank.FINAL, 0.0, bucket), i * 10.0)
        pacing.admit(i * 10.0)
        pacing.accepted([bucket], [], i * 10.0)
    assert len(pacing._budgets) <= KEPT + 1


def discord(channel: int) -> tuple[Bucket, Bucket]:
    return Bucket(f"discord/PATCH/{channel}", 1.0, 5, told=True), EVERYTHING


@pytest.mark.parametrize("rank", [Rank.FINAL, Rank.PREVIEW])
def test_buckets_that_share_a_wider_one_get_its_calls_in_the_order_in_which_they_came_due(rank):
    pacing, order = Pacing(), random.Random(0).sample(range(60), 60)
    for since in order:
        pacing.wait(ticket(rank, float(since), *discord(since)), 100.0)
    admitted = [one.since for _, one in drive(pacing, 110.0, 100.0)]
    assert admitted == sorted(map(float, order))


def test_a_final_goes_before_previews_that_wait_longer_for_the_same_wider_bucket():
    pacing = Pacing()
    for channel in range(60):
        pacing.wait(ticket(Rank.PREVIEW, float(channel), *discord(channel)), 100.0)
    pacing.wait(final := ticket(Rank.FINAL, 100.0, *discord(60)), 100.0)
    assert pacing.admit(100.0)[0] is final


@pytest.mark.parametrize(("held", "opens"), [(False, 1.4), (True, 1.0)])
def test_a_call_counts_from_its_answer_unless_the_adapter_holds_back_what_is_too_much(held, opens):
    pacing, bucket = Pacing(), Bucket("b", 1.0, 1, held=held)
    pacing.wait(ticket(Rank.FINAL, 0.0, bucket), 0.0)
    pacing.wait(ticket(Rank.FINAL, 0.1, bucket), 0.0)
    assert len(pacing.admit(0.0)) == 1
    pacing.accepted([bucket], [], 0.4)
    assert [time for time, _ in drive(pacing, 10.0, 0.4)] == [opens]


class Hidden:
    """So many calls at once over all buckets, and one more every *each* seconds: what nobody tells."""

    def __init__(self, most: int, each: float) -> None:
        self.most, self.each = most, each
        self._paid = 0.0

    def take(self, now: float) -> float:
        """Return 0, or how long to wait."""
        late = max(self._paid, now) - now - (self.most - 1) * self.each
        if late > 1e-9:
            return late
        self._paid = max(self._paid, now) + self.each
        return 0.0


def crowd(
    pacing: Pacing, server: Hidden, answers: int, until: float, begin: float = 0.0
) -> tuple[int, list[Ticket]]:
    """Let *answers* with a bucket each edit all the time; return how many were refused, and the others."""
    buckets = [Bucket(f"discord/PATCH/{number}", 1.0, 5, told=True) for number in range(answers)]
    for bucket in buckets:
        pacing.enter(bucket.key, [bucket], begin)
        pacing.wait(Ticket([bucket, EVERYTHING], Rank.PREVIEW, begin), begin)
    refused, through, now = 0, list[Ticket](), begin
    while now < until:
        while going := pacing.admit(now):
            for one in going:
                wait = server.take(now)
                if wait:
                    refused += 1
                    pacing.refused(one.buckets, one.buckets[0].key, wait, now)
                else:
                    pacing.accepted(one.buckets, [], now)
                    through.append(one)
                pacing.wait(Ticket(one.buckets, one.rank, now if not wait else one.since), now)
        wakes = pacing.wakes(now)
        now = max(now + 0.01, wakes) if wakes is not None else until
    return refused, through


@pytest.mark.parametrize("answers", [4, 16])
def test_a_limit_over_all_buckets_is_learned_from_refusals(answers):
    refused, through = crowd(Pacing(), Hidden(5, 1.0), answers, 120.0)
    assert refused <= answers  # of the first, all at once, and few after that
    assert len(through) > 90
    shares = [sum(one.buckets[0].key.endswith(f"/{number}") for one in through) for number in range(answers)]
    assert max(shares) - min(shares) <= 3


def test_the_next_call_below_a_limit_over_all_buckets_waits_for_the_answer_of_the_last():
    pacing = Pacing()
    for number in range(2):
        pacing.wait(one := ticket(Rank.FINAL, 0.0, *discord(number)), 0.0)
        pacing.admit(0.0)
        pacing.refused(one.buckets, one.buckets[0].key, 0.5, 0.1)
    waiting = [ticket(Rank.FINAL, 0.2 + number, *discord(number)) for number in range(2)]
    for one in waiting:
        pacing.wait(one, 1.0)
    first = pacing.admit(1.0)
    assert first == waiting[:1]
    pacing.accepted(first[0].buckets, [], 1.2)
    assert drive(pacing, 10.0, 1.2) == [(1.2 + 0.5, waiting[1])]


def test_a_limit_that_is_gone_is_forgotten():
    pacing = Pacing()
    crowd(pacing, Hidden(5, 1.0), 4, 60.0)
    _, through = crowd(pacing, Hidden(1_000, 0.001), 4, 7_200.0, 3_600.0)
    late = [one for one in through if one.since > 7_100.0]
    assert len(late) > 300  # four a second, less what rounding takes


def test_refusals_of_one_bucket_alone_hold_up_no_other():
    pacing = Pacing()
    one, other = (Bucket(f"discord/PATCH/{number}", 1.0, 5, told=True) for number in range(2))
    for now in (0.0, 1.0, 2.0):
        pacing.wait(Ticket([one], Rank.FINAL, now), now)
        pacing.admit(now)
        pacing.refused([one], one.key, 0.5, now)
    pacing.wait(ticket := Ticket([other], Rank.FINAL, 2.0), 2.0)
    assert pacing.admit(2.0) == [ticket]


def test_answers_of_other_processes_raise_the_price():
    pacing = Pacing()
    live(pacing, 2)
    before = reading(pacing).price
    pacing.others({SLACK.key: Others(live=6)}, 1.0)
    assert reading(pacing).live == 8
    assert reading(pacing).price > before


def test_a_claim_leaves_to_finals_what_a_preview_has_to():
    pacing = Pacing()
    live(pacing, 20)
    claims = [pacing.claims(ticket(rank), "a/1", 0.0)[SLACK.key] for rank in Rank]
    assert [claim.kept > 0 for claim in claims] == [False, False, True, True]
    assert {(claim.claim, claim.burst, claim.seconds, claim.live) for claim in claims} == {
        ("a/1", 50, 60, 20)
    }


def test_what_the_platform_tells_of_is_not_claimed():
    told = Bucket("discord/PATCH/1", 1.0, 5, told=True)
    pacing = Pacing()
    pacing.enter(1, [told], 0.0)
    assert not pacing.claims(ticket(Rank.FINAL, 0.0, told), "a/1", 0.0)
    assert not pacing.uses(0.0)


def test_a_denied_call_is_asked_for_again_later_and_not_at_once():
    pacing = Pacing()
    one = ticket(Rank.FINAL)
    pacing.wait(one, 0.0)
    assert pacing.admit(0.0) == [one]
    pacing.denied([SLACK], 0.0)
    pacing.wait(one, 0.0)
    assert not pacing.admit(0.0)
    [(at, again)] = drive(pacing, 10.0)
    assert again is one
    assert at > 0.0


def test_a_429_of_another_process_blocks_here_too():
    pacing = Pacing()
    live(pacing, 1)
    pacing.others({SLACK.key: Others(blocked=7.0)}, 0.0)
    pacing.wait(ticket(Rank.FINAL), 0.0)
    assert [at for at, _ in drive(pacing, 60.0)] == [7.0]


@pytest.mark.parametrize("size", [2, 4])
def test_replicas_on_one_bucket_show_as_much_as_one_process_and_draw_no_429(size):
    one, several = shared(1, 8, range(2)), shared(size, 8, range(2))
    assert several["n429"] == 0
    assert several["unshown"] == 0
    assert several["mean"] <= 1.1 * one["mean"]
    assert several["final"] <= one["final"] + 0.3


def reading(pacing: Pacing):
    return next(each for each in pacing.readings(1.0) if each.key == SLACK.key)
