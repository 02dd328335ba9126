"""What the actions on phones know of each vendor, as their pages show it: the data of ``vendors`` in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.actions.phone.vendors import FAMILIES, Family


def file_facts() -> Mapping[str, Sequence[str]]:
    """Vendor -> which files are written, what the phone asks for, and what wins over it."""
    return {_title(family): [
        family.note,
        f"Written, in this order: {_names([file.name for file in family.files])}.",
        f"Templates: {', '.join(f'`{file.template}`' for file in family.files)}.",
        f"The phone asks for: {_names(family.asks_for)}.",
        f"Its own files that win over ours: {_names(family.overridden_by) or 'none known'}.",
        f"Models met in the field: {', '.join(family.models)}.",
    ] for family in FAMILIES}


def event_facts() -> Mapping[str, Sequence[str]]:
    """Vendor -> what makes the phone fetch its files."""
    return {_title(family): [
        f"Resync: NOTIFY `{family.event}`; reboot: `{family.reboot_event}`.",
        f"From Asterisk: `pjsip send notify {family.asterisk_notify}`.",
    ] for family in FAMILIES}


def registration_facts() -> Mapping[str, Sequence[str]]:
    """Vendor -> how its phones call themselves when they register."""
    return {_title(family): [f"Its User-Agent holds `{family.user_agent}`."] for family in FAMILIES}


def _title(family: Family) -> str:
    return f"{family.title} (`{family.vendor}`)"


def _names(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{pattern.format(mac='<mac>', MAC='<MAC>', model='<model>')}`" for pattern in patterns)
