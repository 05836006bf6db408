"""Date and time arithmetic, which models do by guessing.

Dates are written as in ISO 8601.  A moment without an offset is meant in the zone that is named.  Working
days are Monday to Friday; nobody here knows of holidays.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from bot.tools import Offered, Refused, tool

Unit = Literal["minutes", "hours", "days", "working_days", "weeks", "months", "years"]
Moment = Annotated[str, Field(description="A date, 2026-11-28, or a moment, 2026-11-28T09:30 (+01:00).")]
Zone = Annotated[str, Field(description="A time zone by its IANA name, such as Europe/Berlin.")]
#: The largest number that is reckoned with: more minutes than there are until the year 9999.
MOST = 10**10
NO_DATE = "There is no such date: calendars go from the year 1 to 9999."
WEEK, WORKING = 7, 5
SATURDAY = 5


def tools(clock: Callable[[], datetime]) -> Sequence[Offered]:
    """Return the tools; *clock* says which moment it is, with an offset."""

    @tool(title="looking at the clock")
    async def now(zone: Zone = "UTC") -> str:
        """Return the current date and time, the weekday and the ISO week."""
        return shown(_in(clock(), zone_of(zone)))

    @tool(title="reckoning dates")
    async def add_time(start: Moment, amount: int, unit: Unit, zone: Zone = "UTC") -> str:
        """Return the date or moment that is so much later than start; earlier, if amount is negative.

        A month later than the 31st is the last day of a shorter month. Working days are Monday to Friday;
        holidays are not known.
        """
        return shown(later(moment_of(start, zone), amount, unit, zone))

    @tool(title="reckoning dates")
    async def time_between(start: Moment, end: Moment, zone: Zone = "UTC") -> str:
        """Return how much time is between two dates or moments; negative, if end is before start.

        The first day is not counted and the last one is. Working days are Monday to Friday; holidays are not
        known.
        """
        return between(moment_of(start, zone), moment_of(end, zone), zone)

    @tool(title="reckoning time zones")
    async def convert_time(moment: Moment, to_zone: Zone, from_zone: Zone = "UTC") -> str:
        """Return a moment as clocks in another time zone show it, with the weekday there."""
        return shown(_in(_aware(moment_of(moment, from_zone), from_zone), zone_of(to_zone)))

    return (now, add_time, time_between, convert_time)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raise `Refused` if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(
            f"There is no time zone {name!r}: IANA names are meant, such as Europe/Berlin."
        ) from None


def moment_of(text: str, zone: str) -> date:
    """Return what *text* says: a date, or a moment in *zone*; raise `Refused` if it says neither."""
    try:
        if len(text.strip()) <= len("2026-11-28"):
            return date.fromisoformat(text.strip())
        return _aware(datetime.fromisoformat(text.strip()), zone)
    except (ValueError, OverflowError):
        raise Refused(f"{text!r} is no date: 2026-11-28 and 2026-11-28T09:30 are.") from None


def later(start: date, amount: int, unit: Unit, zone: str) -> date:
    """Return what is *amount* of *unit* later than *start*; raise `Refused` if no calendar has it.

    Days and more are counted on the calendar of *zone*, hours and minutes as they pass.
    """
    if abs(amount) > MOST:
        raise Refused(f"{amount} {unit} are too many.")
    try:
        if unit in {"minutes", "hours"}:
            moment = _aware(start, zone)
            return _in(_in(moment, UTC) + timedelta(**{unit: amount}), moment.tzinfo)
        day = _day_later(start, amount, unit)
    except (OverflowError, ValueError):
        raise Refused(NO_DATE) from None
    return _aware(day, zone) if isinstance(day, datetime) else day


def _day_later(start: date, amount: int, unit: Unit) -> date:
    match unit:
        case "working_days":
            return _working_later(start, amount)
        case "months":
            return _months_later(start, amount)
        case "years":
            return _months_later(start, 12 * amount)
        case _:
            return start + timedelta(**{unit: amount})


def _working_later(start: date, amount: int) -> date:
    """Return the working day that is *amount* later than *start*; than the near end, in a weekend."""
    if not amount:
        return start
    back = start.weekday() - SATURDAY + 1  # from Saturday 1, from Sunday 2: to Friday
    if start.weekday() >= SATURDAY:
        start += timedelta(days=-back if amount > 0 else 3 - back)
    weeks, rest = divmod(abs(amount), WORKING)
    day = start.weekday() + rest if amount > 0 else WORKING - 1 - start.weekday() + rest
    days = weeks * WEEK + rest + (2 if day >= WORKING else 0)
    return start + timedelta(days=days if amount > 0 else -days)


def _months_later(start: date, amount: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + amount, 12)
    if not 0 < year < 10_000:  # noqa: PLR2004  what `date` takes
        raise OverflowError
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


def between(start: date, end: date, zone: str) -> str:
    """Return how much time is between *start* and *end*, in the units that people count in."""
    first, last = _day(start), _day(end)
    days = (last - first).days
    told = [f"{days} days", f"{_working_between(first, last)} working days"]
    if abs(days) >= WEEK:
        weeks, rest = divmod(abs(days), WEEK)
        told.append(f"{'-' * (days < 0)}{weeks} weeks and {rest} days")
    if isinstance(start, datetime) or isinstance(end, datetime):
        passed = _in(_aware(end, zone), UTC) - _in(_aware(start, zone), UTC)
        minutes, seconds = divmod(int(abs(passed).total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        sign = "-" * (passed < timedelta())
        told.append(f"{sign}{hours} hours, {minutes} minutes and {seconds} seconds passed")
    return f"From {shown(start)} to {shown(end)}: {'; '.join(told)}."


def _working_between(first: date, last: date) -> int:
    """Return how many working days there are without *first* and with *last*; negative if that is earlier."""
    back = int(last < first)
    return _worked(last.toordinal() - back) - _worked(first.toordinal() - back)


def _worked(days: int) -> int:
    """Return how many of the first *days* since the year 1, which began on a Monday, were working days."""
    weeks, rest = divmod(days, WEEK)
    return weeks * WORKING + min(rest, WORKING)


def shown(moment: date) -> str:
    """Return a date or moment with its weekday and week."""
    week = f"{moment:%A}, ISO week {moment.isocalendar().week}"
    if not isinstance(moment, datetime):
        return f"{moment.isoformat()} ({week})"
    return f"{moment.isoformat(timespec='seconds')} ({week}, {moment.tzinfo})"


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _aware(moment: date, zone: str) -> datetime:
    """Return *moment* on the clocks of *zone*; a day begins at midnight.

    One that these clocks skip when they are put forward is as much later.
    """
    there = zone_of(zone)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=there)
    return _in(_in(moment if moment.tzinfo else moment.replace(tzinfo=there), UTC), there)


def _in(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return *moment* as clocks of *zone* show it; raise `Refused` if no calendar has it."""
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        raise Refused(NO_DATE) from None
