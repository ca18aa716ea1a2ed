"""Scenarios: what may come, what could be done about it, who would save and who would bear.

Demand by driver (`project`), a forecast of the near months (`forecast`), interventions as data (`load_scenario`), the
system's view of them (`system_impact`), and the appraisal of all of it with its uncertainty (`simulate`).
"""

from pathcost_lib.scenarios.change.appraisal import (
    break_even,
    discount_factors,
    net_present_value,
    optimism_bias,
    payback,
    return_on_investment,
)
from pathcost_lib.scenarios.change.checks import outpatient_checks, run_checks
from pathcost_lib.scenarios.change.localise import activity_near, localise
from pathcost_lib.scenarios.change.portfolio import side_by_side
from pathcost_lib.scenarios.change.release import Release, flexible_budget, stranded_cost
from pathcost_lib.scenarios.change.sharing import (
    GainShareTerms,
    acceptable_share,
    gain_share,
    scheme_register,
    settlement,
    usual_claims,
)
from pathcost_lib.scenarios.change.simulation import sensitivity, simulate
from pathcost_lib.scenarios.change.system import system_impact, transition_payment
from pathcost_lib.scenarios.demand.forecasting import backtest, forecast
from pathcost_lib.scenarios.demand.inputs import dataset_inputs, official_growth, official_inputs
from pathcost_lib.scenarios.demand.monthly import monthly_activity, monthly_outlook, official_months
from pathcost_lib.scenarios.demand.projection import (
    DemandModel,
    Growth,
    capacity,
    cost_path,
    do_nothing_gap,
    project,
    simulate_demand,
    tornado,
)
from pathcost_lib.scenarios.demand.trend import observed_growth
from pathcost_lib.scenarios.scenario import list_scenarios, load_scenario, rebase

__all__ = [
    "DemandModel",
    "GainShareTerms",
    "Growth",
    "Release",
    "acceptable_share",
    "activity_near",
    "backtest",
    "break_even",
    "capacity",
    "cost_path",
    "dataset_inputs",
    "discount_factors",
    "do_nothing_gap",
    "flexible_budget",
    "forecast",
    "gain_share",
    "list_scenarios",
    "load_scenario",
    "localise",
    "monthly_activity",
    "monthly_outlook",
    "net_present_value",
    "observed_growth",
    "official_growth",
    "official_inputs",
    "official_months",
    "optimism_bias",
    "outpatient_checks",
    "payback",
    "project",
    "rebase",
    "return_on_investment",
    "run_checks",
    "scheme_register",
    "sensitivity",
    "settlement",
    "side_by_side",
    "simulate",
    "simulate_demand",
    "stranded_cost",
    "system_impact",
    "tornado",
    "transition_payment",
    "usual_claims",
]
