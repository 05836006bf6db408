"""What `/metrics` shows: what was counted, and how all is now, as Prometheus' library has it.

Imported when somebody first asks.  Must never show an id of a person, a channel or a message, nor anything
that was said; what is told apart is a handful of words.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.core.intake import Refusal
from bot.guard.prices import MICRO
from bot.platform import Platform
from bot.run.sources import Sources
from bot.show.budget import Reading
from bot.store.examine import NAME, SUFFIXES
from bot.store.peers import Peers
from bot.tally import Count, Spread

#: What is counted: the attribute of the tally, the metric's name, what it says.
COUNTS = (
    ("answers", "rivulet_answers", "Answers that have ended, by how."),
    ("writes", "rivulet_writes", "Posts and edits of answers; slowed are those that met a 429."),
    ("failures", "rivulet_model_failures", "What failed at Claude: retried, or told to whoever asked."),
    ("tokens", "rivulet_tokens", "Tokens as the API counted them."),
    ("tools", "rivulet_tool_calls", "Calls of tools that ran here."),
    ("handed", "rivulet_handed_over", "Events given to another replica, and questions taken over from one."),
)
SPREADS = (
    ("first_text", "rivulet_first_text_seconds", "From a question until a word of its answer is visible."),
    ("staleness", "rivulet_staleness_seconds", "Age of the oldest unshown character when an edit shows it."),
    ("last_edit", "rivulet_last_edit_seconds", "From the end of an answer, as a stop, to its last edit."),
    ("trips", "rivulet_store_seconds", "One round trip to Redis; requests that wait meanwhile go together."),
)
#: What becomes of a question, as the intake counts it.
OUTCOMES = ("taken", *(refusal.value for refusal in Refusal))


class Found(Collector):
    """What was collected before."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return it; see `Collector.collect`."""
        return self._metrics


def written(metrics: Iterable[Metric], accepts: str) -> tuple[bytes, str]:
    """Return *metrics* and the process's own as text that a client *accepts*, and its media type."""
    registry = CollectorRegistry()
    registry.register(Found(metrics))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accepts)
    return encode(registry), kind


def collected(sources: Sources) -> Iterator[Metric]:
    """Yield all metrics but those of the process, as Prometheus' library has them."""
    core = sources.core
    for name, metric, says in COUNTS:
        yield _counter(metric, says, getattr(core.means.tally, name))
    for name, metric, says in SPREADS:
        yield _histogram(metric, says, getattr(core.means.tally, name))
    dollars = Count(*core.means.tally.cost.labels)
    dollars.values = {words: micro / MICRO for words, micro in core.means.tally.cost.values.items()}
    yield _counter("rivulet_cost_dollars", "What answers have cost, by the price table.", dollars)
    yield from _questions(core.state)
    yield from _budgets(core.means.pace.readings())
    yield from _platforms(sources.platforms, asyncio.get_running_loop().time())
    yield from _health(sources)
    yield from _replicas(core.peers)
    yield from _parts(sources.platforms, getattr(core.leases, "held", {}))


def _parts(platforms: Collection[Platform], held: Mapping[str, int]) -> Iterator[Metric]:
    """Yield how much of what replicas divide this one has; a work's name begins with its platform's."""
    parts = Count("platform")
    for platform in platforms:
        mine = (number for name, number in held.items() if name.startswith(f"{platform.name}/"))
        parts.values[platform.name,] = sum(mine)
    yield _gauge("rivulet_parts_held", "Shards and sockets that this process has.", parts)


def _replicas(peers: Peers) -> Iterator[Metric]:
    """Yield what this process sees of the others; one that has none is the only one."""
    count, members = Count("state"), peers.members
    leaving = sum(member.leaving for member in members)
    count.values = {("serving",): max(1, len(members)) - leaving, ("leaving",): leaving}
    yield _gauge("rivulet_replicas", "Processes that serve the bot, as this one sees them.", count)
    yield _gauge(
        "rivulet_store_away_seconds", "Since when Redis is away; 0 while it is not.", _one(peers.away)
    )


def _questions(state: Mapping[str, int]) -> Iterator[Metric]:
    """Yield how many questions run and wait, and what became of all."""
    now, counts = Count("state"), Count("outcome")
    now.values = {(name,): state[name] for name in ("running", "waiting")}
    counts.values = {(name,): state.get(name, 0) for name in OUTCOMES}
    yield _gauge("rivulet_answers_live", "Answers that run, and questions that wait for others.", now)
    yield _counter("rivulet_questions", "Questions that were taken, and refused for what reason.", counts)


def _budgets(readings: Sequence[Reading]) -> Iterator[Metric]:
    """Yield how each platform's rate limits are: of all its buckets the one that is used most."""
    of: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        of[reading.key.partition("/")[0]].append(reading)
    used, waiting, price, blocked = (Count("platform") for _ in range(4))
    for platform, all_ in of.items():
        used.values[platform,] = max(1 - each.left / each.calls for each in all_)
        waiting.values[platform,] = sum(each.waiting for each in all_)
        price.values[platform,] = max(each.price for each in all_)
        blocked.values[platform,] = max(each.blocked for each in all_)
    yield _gauge("rivulet_budget_used_ratio", "Used share of the fullest rate limit's window.", used)
    yield _gauge("rivulet_writes_waiting", "Writes that wait for a call.", waiting)
    yield _gauge("rivulet_edit_price_seconds", "How old a character must be to be worth an edit.", price)
    yield _gauge("rivulet_blocked_seconds", "Seconds until the longest 429 is over.", blocked)


def _platforms(platforms: Collection[Platform], now: float) -> Iterator[Metric]:
    up, heard = Count("platform"), Count("platform")
    for platform in platforms:
        up.values[platform.name,] = platform.health == "up"
        if platform.heard_at is not None:
            heard.values[platform.name,] = now - platform.heard_at
    yield _gauge("rivulet_platform_up", "Whether the connection to a platform is up.", up)
    yield _gauge("rivulet_platform_silent_seconds", "Since when nothing was heard of a platform.", heard)


def _health(sources: Sources) -> Iterator[Metric]:
    core = sources.core
    ok, size = _one(core.means.store.health.startswith("ok")), _one(_size(sources.data))
    yield _gauge("rivulet_model_up", "0 while Claude refuses everybody.", _one(core.model_health == "ok"))
    yield _gauge("rivulet_ledger_up", "0 while the ledger can't be written.", ok)
    yield _gauge("rivulet_ledger_bytes", "Size of the ledger's files.", size)
    lag = _one(sources.lag.report()["max_ms"] / 1000)
    yield _gauge("rivulet_loop_lag_seconds", "How late the event loop was at worst in a minute.", lag)


def _one(value: float) -> Count:
    """Return one number without words."""
    count = Count()
    count.values[()] = value
    return count


def _gauge(name: str, says: str, numbers: Count) -> Metric:
    family = GaugeMetricFamily(name, says, labels=numbers.labels)
    for words, number in numbers.values.items():
        family.add_metric(words, number)
    return family


def _counter(name: str, says: str, numbers: Count) -> Metric:
    family = CounterMetricFamily(name, says, labels=numbers.labels)
    for words, number in numbers.values.items():
        family.add_metric(words, number)
    return family


def _histogram(name: str, says: str, spread: Spread) -> Metric:
    family = HistogramMetricFamily(name, says, labels=spread.labels)
    for words, times in spread.values.items():
        seen, buckets = 0, []
        for bound, count in zip([*map(str, spread.bounds), "+Inf"], times.counts, strict=True):
            seen += count
            buckets.append((bound, seen))
        family.add_metric(words, buckets, times.total)
    return family


def _size(data: Path | None) -> int:
    """Return the bytes of the ledger's files."""
    paths = [data / f"{NAME}{suffix}" for suffix in SUFFIXES] if data else []
    return sum(path.stat().st_size for path in paths if path.exists())
