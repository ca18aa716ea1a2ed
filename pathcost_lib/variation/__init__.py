"""Variation: funnels, components, multilevel models, statistical process control, screening, patient-level outliers."""

from pathcost_lib.variation.components import (
    chance_share,
    extremal_quotient,
    gini,
    interquartile_ratio,
    systematic_component,
    weighted_cv,
)
from pathcost_lib.variation.funnel import FunnelResult, funnel
from pathcost_lib.variation.monthly import monthly_signals
from pathcost_lib.variation.multilevel import variance_components
from pathcost_lib.variation.outlier_view import cost_cases, explain, provider_totals, screen_costs, shrink
from pathcost_lib.variation.patients import robust_outliers, trim_points
from pathcost_lib.variation.screening import adjust_pvalues
from pathcost_lib.variation.spc import xmr

__all__ = [
    "FunnelResult",
    "adjust_pvalues",
    "chance_share",
    "cost_cases",
    "explain",
    "extremal_quotient",
    "funnel",
    "gini",
    "interquartile_ratio",
    "monthly_signals",
    "provider_totals",
    "robust_outliers",
    "screen_costs",
    "shrink",
    "systematic_component",
    "trim_points",
    "variance_components",
    "weighted_cv",
    "xmr",
]
