"""Public holidays of a country, worked out for the years around a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from engine.language.findings import Findings
from engine.language.nearest import did_you_mean, listed
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

_YEARS_BACK, _YEARS_AHEAD = 1, 2
"""A run lasts months at most; the year before is for reports."""
_CYCLE_YEARS = 28
"""After so many years each day falls on the same day of the week again."""
_DEFAULT = ("public",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which holidays a calendar asks for, and where in the file each part of that stands."""

    country: str
    subdivision: str
    country_at: DataPath
    subdivision_at: DataPath
    categories: Sequence[str] = _DEFAULT
    excepted: Sequence[str] = ()
    at: DataPath = ()


def wanted_holidays(written: object, at: DataPath) -> Wanted | None:
    """``US``, ``US-MA``, or a mapping; None where the schema has already complained, or nothing is asked for."""
    if isinstance(written, str):
        country, _, subdivision = written.partition("-")
        return Wanted(country, subdivision, at, at, at=at)
    if not isinstance(written, Mapping) or not isinstance(written.get("country"), str):
        return None
    return Wanted(
        written["country"], str(written.get("subdivision", "")), (*at, "country"), (*at, "subdivision"),
        _texts(written.get("categories")) or _DEFAULT, _texts(written.get("except")), at,
    )


def public_holidays(wanted: Wanted, document: Document, findings: Findings, today: date) -> dict[date, str]:
    """Day -> name, from last year to two years after ``today``'s. What is not known is noted in ``findings``."""
    import holidays  # noqa: PLC0415  # only calendars that name a country need it

    supported = {name: regions for name, regions in holidays.list_supported_countries().items() if len(name) == 2}
    if wanted.country not in supported:
        detail = f"No public holidays are known for the country {wanted.country!r}. Use its two-letter code, such as US."
        hint = did_you_mean(wanted.country, supported)
        findings.add(document, wanted.country_at, "Unknown country", detail, hint=hint)
        return {}
    regions = supported[wanted.country]
    if wanted.subdivision and wanted.subdivision not in regions:
        detail = f"{wanted.country} has no region {wanted.subdivision!r}. Its regions are {', '.join(regions) or 'not known'}."
        findings.add(document, wanted.subdivision_at, "Unknown region", detail)
        return {}
    known = holidays.country_holidays(wanted.country, subdiv=wanted.subdivision or None).supported_categories
    categories = _known(wanted, known, document, findings)

    def taken(back: int, ahead: int) -> dict[date, str]:
        years = range(today.year - back, today.year + ahead + 1)
        subdivision = wanted.subdivision or None
        return dict(holidays.country_holidays(wanted.country, subdiv=subdivision, years=years, categories=categories))

    if not categories:
        return {}
    found = taken(_YEARS_BACK, _YEARS_AHEAD)
    names = _names(found)
    if not names.issuperset(wanted.excepted):
        # Such as "Christmas Day (observed)": not of every year, and no mistake in the others.
        _refuse_unknown(wanted, _names(taken(_CYCLE_YEARS, _YEARS_AHEAD)), document, findings)
    kept = {day: [name for name in joined.split("; ") if name not in wanted.excepted] for day, joined in found.items()}
    return {day: "; ".join(left) for day, left in kept.items() if left}


def _known(wanted: Wanted, known: Iterable[str], document: Document, findings: Findings) -> tuple[str, ...]:
    options = sorted(known)
    for index, name in enumerate(wanted.categories):
        if name not in options:
            detail = f"Holidays of {wanted.country} come in no category {name!r}. They are {listed(options)}."
            hint = did_you_mean(name, options)
            findings.add(document, (*wanted.at, "categories", index), "Unknown category", detail, hint=hint)
    return tuple(name for name in wanted.categories if name in options)


def _refuse_unknown(wanted: Wanted, names: Collection[str], document: Document, findings: Findings) -> None:
    for index, name in enumerate(wanted.excepted):
        if name not in names:
            detail = f"No holiday that this calendar takes is called {name!r}. They are {listed(sorted(names), 40)}."
            findings.add(document, (*wanted.at, "except", index), "Unknown holiday", detail, hint=did_you_mean(name, names))


def _names(found: Mapping[date, str]) -> set[str]:
    """Names of holidays; two that fall on one day are joined there."""
    return {name for joined in found.values() for name in joined.split("; ")}


def _texts(written: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in written) if isinstance(written, list) else ()
