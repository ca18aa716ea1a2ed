"""Scenarios: what may come, what could be done about it, who would save and who would bear.

Demand by driver (`project`), a forecast of the near months (`forecast`), interventions as data (`load_scenario`), the
system's view of them (`system_impact`), and the appraisal of all of it with its uncertainty (`simulate`).
"""

from pathcost_lib.scenarios.change.appraisal import (
    appraise,
    break_even,
    discount_factors,
    net_present_value,
    optimism_bias,
    payback,
    realise,
    return_on_investment,
)
from pathcost_lib.scenarios.change.checks import outpatient_checks, run_checks
from pathcost_lib.scenarios.change.localise import Local, activity_near, localise
from pathcost_lib.scenarios.change.model import PaymentRule
from pathcost_lib.scenarios.change.portfolio import Portfolio, side_by_side, stack
from pathcost_lib.scenarios.change.release import Release, flexible_budget, stranded_cost
from pathcost_lib.scenarios.change.sharing import (
    GainShareTerms,
    acceptable_share,
    gain_share,
    payment_at_risk,
    scheme_register,
    settlement,
    usual_claims,
)
from pathcost_lib.scenarios.change.simulation import Simulation, sensitivity, simulate
from pathcost_lib.scenarios.change.system import (
    SystemImpact,
    compare,
    control_totals,
    system_impact,
    transition_payment,
)
from pathcost_lib.scenarios.demand.forecasting import Backtest, Forecast, backtest, forecast, join_long_run
from pathcost_lib.scenarios.demand.inputs import (
    DemandInputs,
    dataset_inputs,
    official_growth,
    official_inputs,
)
from pathcost_lib.scenarios.demand.monthly import (
    MonthlyOutlook,
    monthly_activity,
    monthly_outlook,
    official_months,
)
from pathcost_lib.scenarios.demand.projection import (
    CostPath,
    DemandModel,
    DemandSimulation,
    Growth,
    Projection,
    capacity,
    cost_path,
    do_nothing_gap,
    project,
    simulate_demand,
    tornado,
)
from pathcost_lib.scenarios.demand.trend import observed_growth
from pathcost_lib.scenarios.draws import Correlation, Distribution
from pathcost_lib.scenarios.scenario import Scenario, list_scenarios, load_scenario, rebase

__all__ = [
    "Backtest",
    "Correlation",
    "CostPath",
    "DemandInputs",
    "DemandModel",
    "DemandSimulation",
    "Distribution",
    "Forecast",
    "GainShareTerms",
    "Growth",
    "Local",
    "MonthlyOutlook",
    "PaymentRule",
    "Portfolio",
    "Projection",
    "Release",
    "Scenario",
    "Simulation",
    "SystemImpact",
    "acceptable_share",
    "activity_near",
    "appraise",
    "backtest",
    "break_even",
    "capacity",
    "compare",
    "control_totals",
    "cost_path",
    "dataset_inputs",
    "discount_factors",
    "do_nothing_gap",
    "flexible_budget",
    "forecast",
    "gain_share",
    "join_long_run",
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
    "payment_at_risk",
    "project",
    "realise",
    "rebase",
    "return_on_investment",
    "run_checks",
    "scheme_register",
    "sensitivity",
    "settlement",
    "side_by_side",
    "simulate",
    "simulate_demand",
    "stack",
    "stranded_cost",
    "system_impact",
    "tornado",
    "transition_payment",
    "usual_claims",
]
