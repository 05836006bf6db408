"""What people are told about what was spent, as markdown: their own share, and for admins all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.guard.spend import Spend, Standing, dollars
from bot.platform import Actor, Place
from bot.store.accounts import Cap, Spent, first_of_month

#: People and channels that admins are told of.
MOST = 10
SCOPES = {"person": "You", "channel": "This channel", "workspace": "This workspace", "all": "All together"}
SPANS = {"day": "today", "month": "this month"}
UNREAD = "What all have used can't be read now; the operator's log says why."


async def told(spend: Spend, actor: Actor, place: Place, *, admin: bool) -> str:
    """Return what *actor* has used, and what is left of each cap that they meet in *place*.

    Args:
        spend: What was spent.
        actor: Who asks.
        place: Where.
        admin: Whether they may know what others have used.
    """
    who = spend.who(actor, place)
    await spend.accounts.look(who)
    today = spend.accounts.sum(who, Cap("person", "day", 0)).spent
    month = spend.accounts.sum(who, Cap("person", "month", 0)).spent
    lines = [f"You have used {dollars(today)} today and {dollars(month)} this month (UTC)."]
    lines += [_left(each) for each in spend.standing(actor, place)]
    if admin:
        lines += ["", *await _all(spend)]
    return "\n".join(lines)


def cache_share(spent: Spent) -> float:
    """Return the part of what was read that the cache had."""
    read = spent.input + spent.cache_read + spent.cache_write
    return spent.cache_read / read if read else 0.0


def counted(turns: int) -> str:
    """Return so many answers, in words."""
    return f"{turns:,} answer{'s' * (turns != 1)}"


def _left(standing: Standing) -> str:
    cap = standing.cap
    held = f", {dollars(standing.sum.held)} held for answers that run" if standing.sum.held else ""
    left = f"{dollars(standing.left)} of {dollars(cap.most)} left"
    return f"- {SCOPES[cap.scope]}, {SPANS[cap.span]}: {left}{held}"


async def _all(spend: Spend) -> list[str]:
    """Return what everybody has used this month: in all, by model, by person, and by channel."""
    since = first_of_month(spend.day)
    try:
        [*sums] = await spend.accounts.usage(since, ())
        models, *others = [
            await spend.accounts.usage(since, names)
            for names in (["model"], ["platform", "actor"], ["platform", "channel"])
        ]
    except OSError:
        return [UNREAD]
    if not sums:
        return ["Nobody has used anything this month."]
    [total] = sums
    guessed = f", {dollars(total.estimated)} of it by estimate" if total.estimated else ""
    cached = f"{cache_share(total):.0%} of what was read came from the cache"
    return [
        f"**All together, this month**: {dollars(total.cost)}{guessed}, {counted(total.turns)}; {cached}.",
        *_top("By model", ((f"`{each.model}`", each) for each in models)),
        *_top("By person", ((_of(each, each.actor or "(forgotten)"), each) for each in others[0])),
        *_top("By channel", ((_of(each, each.channel), each) for each in others[1])),
    ]


def _of(spent: Spent, id_: str) -> str:
    """Return *id_* with its platform, without which it says nothing."""
    return f"{spent.platform} `{id_}`"


def _top(title: str, rows: Iterable[tuple[str, Spent]]) -> Sequence[str]:
    """Return a list of the dearest of *rows*."""
    found = sorted(rows, key=lambda row: -row[1].cost)
    lines = [f"- {name}: {dollars(each.cost)}, {counted(each.turns)}" for name, each in found[:MOST]]
    rest = found[MOST:]
    more = [f"- {len(rest)} more: {dollars(sum(each.cost for _, each in rest))}"] if rest else []
    return ["", f"**{title}**", *lines, *more]
