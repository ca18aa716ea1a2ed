"""A working call of each public function of `benchmark`."""

from __future__ import annotations

from doors.harness import Case

CASES: dict[str, Case | list[Case]] = {}
