"""What people look at: words for numbers, figures, disclosure control, and how a notebook shows them."""

from pathcost_lib.present.banner import coverage_banner
from pathcost_lib.present.chart import Chart
from pathcost_lib.present.disclosure import disclose, disclose_together
from pathcost_lib.present.display import expect, figure, leave_out, message, table
from pathcost_lib.present.findings import finding
from pathcost_lib.present.plausible import require_plausible

__all__ = [
    "Chart",
    "coverage_banner",
    "disclose",
    "disclose_together",
    "expect",
    "figure",
    "finding",
    "leave_out",
    "message",
    "require_plausible",
    "shapes",
    "table",
]
