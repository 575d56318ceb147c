"""Which time a page is about, the time it is compared with, and how both are cut into bars."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from events.reports.parse import midnight

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
# A custom span is cut so finely that its bars can still be told apart.
FINEST = ((timedelta(days=2), "hour"), (timedelta(days=120), "day"), (timedelta(days=731), "week"))


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span of time, seen at the moment `now`, and the span before that it is compared with.

    `shift` leads from one to the other: by the clock on the wall, so that days stay days when
    clocks change; by elapsed time where the bars are hours.
    """

    start: datetime
    end: datetime
    interval: str
    shift: timedelta
    now: datetime
    timezone: ZoneInfo

    @property
    def is_live(self) -> bool:
        """Whether events can still fall into it."""
        return self.now < self.end

    @property
    def cut(self) -> datetime:
        """Where a fair comparison ends: now, unless the span is over or has not begun."""
        return self.now if self.start < self.now < self.end else self.end

    @property
    def before(self) -> tuple[datetime, datetime]:
        """The span that this one is compared with, as far as this one has come."""
        return self._moved(self.start, -self.shift), self._moved(self.cut, -self.shift)

    @property
    def interval_before(self) -> str:
        """How the span before is asked for: weeks and months of it would not line up."""
        return "hour" if self.interval == "hour" else "day"

    @cached_property
    def starts(self) -> list[datetime]:
        """The beginning of every bar, in the project's zone."""
        starts = [self.start.astimezone(self.timezone)]
        # Through UTC: Python compares two times of one zone by their clocks, which may repeat.
        while (following := self._following(starts[-1])).astimezone(UTC) < self.end:
            starts.append(following)
        return starts

    @cached_property
    def _marks(self) -> list[datetime]:
        return [start.astimezone(UTC) for start in self.starts]

    @property
    def running(self) -> int | None:
        """The place of the bar that is not over, if there is one."""
        return self.place(self.now) if self.start <= self.now < self.end else None

    def place(self, at: datetime) -> int:
        """Return the place of the bar that a moment falls into."""
        return max(0, bisect_right(self._marks, at.astimezone(UTC)) - 1)

    def place_before(self, at: datetime) -> int:
        """Return the place of the bar beside which a moment of the span before stands."""
        return self.place(self._moved(at, self.shift))

    def start_before(self, place: int) -> datetime:
        """Return the moment of the span before that a bar's beginning is compared with."""
        return self._moved(self.starts[place], -self.shift).astimezone(self.timezone)

    def ends(self, place: int) -> datetime:
        """Return where a bar ends."""
        return self.starts[place + 1] if place + 1 < len(self.starts) else self.end

    def _following(self, at: datetime) -> datetime:
        if self.interval == "hour":
            # Through UTC, so that the hour which a clock repeats is an hour of its own.
            local = (at.astimezone(UTC) + HOUR).astimezone(self.timezone)
            return floor_hour(local)
        day = at.date()
        if self.interval == "month":
            following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        else:
            following = day + (WEEK - DAY * day.weekday() if self.interval == "week" else DAY)
        return midnight(following, self.timezone)

    def _moved(self, at: datetime, by: timedelta) -> datetime:
        if self.interval == "hour":
            return at.astimezone(UTC) + by
        # Wall-clock arithmetic; through UTC, because the result may be a time that clocks skip.
        return (at.astimezone(self.timezone) + by).astimezone(UTC)


def floor_hour(at: datetime) -> datetime:
    """Return the beginning of the hour on the wall that a moment falls into."""
    into = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    return (at.astimezone(UTC) - into).astimezone(at.tzinfo)


def last_hours(now: datetime, zone: ZoneInfo) -> Span:
    """Return the current hour and the 23 before it, compared with the 24 hours before those."""
    current = floor_hour(now.astimezone(zone)).astimezone(UTC)
    return Span(
        start=current - 23 * HOUR,
        end=current + HOUR,
        interval="hour",
        shift=DAY,
        now=now,
        timezone=zone,
    )


def last_days(count: int, now: datetime, zone: ZoneInfo) -> Span:
    """Return today and the days before it, compared with days of the same weekday."""
    today = now.astimezone(zone).date()
    return Span(
        start=midnight(today - DAY * (count - 1), zone).astimezone(UTC),
        end=midnight(today + DAY, zone).astimezone(UTC),
        interval="day",
        shift=DAY * (-(-count // 7) * 7),
        now=now,
        timezone=zone,
    )


def from_to(start: datetime, end: datetime, now: datetime, zone: ZoneInfo) -> Span:
    """Return any span, compared with the one of the same length that ends where it begins."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    length = end - start
    interval = next((name for longest, name in FINEST if length <= longest + HOUR), "month")
    if interval != "hour":
        # By the wall: a span of days over a change of clocks is an hour longer or shorter.
        length = end.astimezone(zone).replace(tzinfo=None) - start.astimezone(zone).replace(
            tzinfo=None
        )
    return Span(start=start, end=end, interval=interval, shift=length, now=now, timezone=zone)


def dates(start: datetime, end: datetime, zone: ZoneInfo, *, year: bool = True) -> str:
    """Write a span: `25 Oct – 23 Nov 2026`, `1–23 Nov`; with times unless it is of whole days."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if is_midnight(first, zone) and is_midnight(last, zone):
        last -= timedelta(microseconds=1)
        form = _day
    else:
        form = _moment
    left, right = form(first), form(last)
    if first.year != last.year:
        left, right, year = f"{left} {first.year}", f"{right} {last.year}", False
    if left == right:
        text = right
    elif form is _day and (first.year, first.month) == (last.year, last.month):
        text = f"{first.day}\N{EN DASH}{right}"
    else:
        text = f"{left} \N{EN DASH} {right}"
    return f"{text} {last.year}" if year and form is _day else text


def is_midnight(at: datetime, zone: ZoneInfo) -> bool:
    """Whether a day begins with this moment, also where clocks skip midnight."""
    return at == midnight(at.date(), zone)


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b} {at:%H:%M}"
