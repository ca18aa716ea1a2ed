"""The words of the suite as data: settings, points of delivery, cost bases, financial years.

Codes are strings everywhere. What is published (ICB lists, prices, factors) is in `data/reference`, not here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from pathcost_lib.errors import InputError

__all__ = [
    "COST_BASES",
    "PODS",
    "SCHEME_PODS",
    "SCHEME_SETTINGS",
    "SETTINGS",
    "UNITS",
    "Pod",
    "day",
    "financial_year",
    "financial_year_bounds",
    "financial_year_from",
    "label",
    "months",
    "words",
    "year_before",
]

SETTINGS = (
    "primary_care",
    "ambulance",
    "emergency",
    "outpatient",
    "admitted",
    "community",
    "mental_health",
    "social_care",
)

COST_BASES = ("recorded", "provider", "national", "proxy", "none")

UNITS = ("contact", "spell", "fce", "bed_day", "week", "incident", "procedure")


@dataclass(frozen=True)
class Pod:
    """A point of delivery: its setting, what one unit of it is, and how it is said aloud."""

    code: str
    setting: str
    unit: str
    label: str


PODS: dict[str, Pod] = {
    pod.code: pod
    for pod in (
        Pod("gp_appointment", "primary_care", "contact", "GP appointment"),
        Pod("practice_nurse_appointment", "primary_care", "contact", "Practice nurse appointment"),
        Pod("call_111", "ambulance", "contact", "NHS 111 call"),
        Pod("hear_and_treat", "ambulance", "incident", "Ambulance: hear and treat"),
        Pod("see_and_treat", "ambulance", "incident", "Ambulance: see and treat"),
        Pod("see_and_convey", "ambulance", "incident", "Ambulance: see and convey"),
        Pod("ae_type1", "emergency", "contact", "A&E, major department"),
        Pod("ae_type3", "emergency", "contact", "Urgent treatment centre"),
        Pod("outpatient_first", "outpatient", "contact", "Outpatient, first"),
        Pod("outpatient_follow_up", "outpatient", "contact", "Outpatient, follow-up"),
        Pod("outpatient_procedure", "outpatient", "procedure", "Outpatient procedure"),
        Pod("diagnostic_imaging", "outpatient", "procedure", "Diagnostic imaging"),
        Pod("day_case", "admitted", "spell", "Day case"),
        Pod("elective", "admitted", "spell", "Elective inpatient"),
        Pod("non_elective_short", "admitted", "spell", "Non-elective, short stay"),
        Pod("non_elective", "admitted", "spell", "Non-elective, long stay"),
        Pod("critical_care_day", "admitted", "bed_day", "Critical care day"),
        Pod("community_contact", "community", "contact", "Community contact"),
        Pod("rehabilitation_day", "community", "bed_day", "Rehabilitation day"),
        Pod("mental_health_contact", "mental_health", "contact", "Mental health contact"),
        Pod("talking_therapy_contact", "mental_health", "contact", "Talking therapy contact"),
        Pod("mental_health_bed_day", "mental_health", "bed_day", "Mental health bed day"),
        Pod("social_care_week", "social_care", "week", "Social care week"),
    )
}

#: What a scheme may act on beside care: what organisations buy of each other, and what partners do. Activity has no
#: rows of it.
_BESIDE_CARE = (
    Pod("back_office_unit", "back_office", "unit", "Back office"),
    Pod("local_authority_case", "local_authority", "case", "Local authority case"),
    Pod("police_hour", "police", "hour", "Police, hour of an officer"),
    Pod("housing_week", "housing", "week", "Supported housing week"),
    Pod("voluntary_sector_contact", "voluntary_sector", "contact", "Voluntary sector contact"),
)
SCHEME_SETTINGS = (*SETTINGS, *(pod.setting for pod in _BESIDE_CARE))
SCHEME_PODS = PODS | {pod.code: pod for pod in _BESIDE_CARE}

_LABELS = {
    "primary_care": "Primary care",
    "ambulance": "Ambulance and 111",
    "emergency": "A&E",
    "outpatient": "Outpatient",
    "admitted": "Admitted",
    "community": "Community",
    "mental_health": "Mental health",
    "social_care": "Social care",
    "back_office": "Back office",
    "local_authority": "Local authority",
    "police": "Police",
    "housing": "Housing",
    "voluntary_sector": "Voluntary sector",
} | {pod.code: pod.label for pod in SCHEME_PODS.values()}

_SHORT_FOR = re.compile(r"\b(icb|pod)\b")
_YEAR = re.compile(r"(\d{4})-(\d{2})")


def words(code: str) -> str:
    """Return the name of a column or table as it stands in a sentence ("icb_code" is "ICB code")."""
    return _SHORT_FOR.sub(lambda match: match[0].upper(), code.replace("_", " "))


def label(code: str) -> str:
    """Return how a setting, POD or phase code is said aloud ("primary_care" is "Primary care")."""
    text = words(code.lower())
    return _LABELS.get(code, text[:1].upper() + text[1:])


def financial_year(day: date) -> str:
    """Return the NHS financial year (1 April to 31 March) that holds `day`, as "2024-25"."""
    return financial_year_from(day.year if day.month >= 4 else day.year - 1)


def financial_year_from(first: int) -> str:
    """Return the financial year that begins in a calendar year: 2024 is "2024-25"."""
    return f"{first}-{(first + 1) % 100:02d}"


def year_before(year: str) -> str:
    """Return the financial year before one.

    Examples
    --------
    >>> year_before("2024-25")
    '2023-24'
    """
    return financial_year_from(financial_year_bounds(year)[0].year - 1)


def financial_year_bounds(year: str) -> tuple[date, date]:
    """Return the first and last day of a financial year.

    Raises
    ------
    InputError
        If `year` is not written like "2024-25".
    """
    match = _YEAR.fullmatch(str(year))
    if not match or (int(match[1]) + 1) % 100 != int(match[2]):
        raise InputError(f"Financial year {year!r} is not valid. Write it like 2024-25.")
    start = int(match[1])
    return date(start, 4, 1), date(start + 1, 3, 31)


def day(text: str, *, what: str) -> date | None:
    """Return a day written like 2025-06-30, or None for empty text.

    Raises
    ------
    InputError
        If it is written otherwise, or is no day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"{what} {text!r} is not a day. Write it like 2025-06-30.") from None


def months(first: date, last: date) -> list[tuple[str, date, date]]:
    """Return the calendar months from `first`'s to `last`'s: name ("2024-04"), first day, last day."""
    rows = []
    start = first.replace(day=1)
    while start <= last:
        following = (start + timedelta(days=32)).replace(day=1)
        rows.append((f"{start:%Y-%m}", start, following - timedelta(days=1)))
        start = following
    return rows
