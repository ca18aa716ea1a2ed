"""The mapping on the page "From your extract to your first pack" works on files like those that it names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pathcost_lib import paths, sources
from pathcost_lib.intake.mapping import map_folder

ROOT = Path(__file__).parents[1]
FILES = {
    "ECDS_2023_2024.csv": [
        "ECDS_ID,NHS_Number,Arrival_Date,Site_Provider,Commissioner_ICB,Department_Type,HRG",
        "AE1,9434765919,23/11/2023,RRK,QHL,01,VB07Z",
        "AE2,9434765870,28/11/2023,RRK,QHL,03,VB08Z",
    ],
    "SUS_APC_2023_2024.csv": [
        "Generated_Record_ID,NHS_Number,Year_of_Birth,Sex,Admission_Date,Discharge_Date,Provider_Code,Commissioner_ICB,"
        "Admission_Method,Patient_Classification,Spell_Core_HRG,Primary_Diagnosis,Primary_Procedure,Total_Cost",
        'R1,9434765919,1950,1,16/04/2023,18/04/2023,RRK,QHL,11,1,HN22E,M171,W401,"7,965.36"',
        "R2,9434765919,1950,1,16/06/2023,16/06/2023,RRK,QHL,12,2,HN24F,M171,,965.36",
        "R3,9434765870,1940,9,16/06/2023,17/06/2023,RRK,QHL,21,1,PW01B,B349,,1965.36",
    ],
    "SUS_OP_2023_2024.csv": [
        "Attendance_Identifier,NHS_Number,Appointment_Date,Provider_Code,Commissioner_ICB,First_Attendance,Procedure_Flag,"
        "HRG,Tariff_Total_Payment",
        "OP1,9434765919,19/05/2023,RRK,QHL,1,N,WF01B,249.34",
        "OP2,9434765919,25/05/2023,RRK,QHL,2,Y,JC43C,247.77",
    ],
    "population.csv": ["ICB,Year,Sex,Age,Persons", "QHL,2023,F,40,9000", "QHL,2023,M,40,9100.5"],
}


@pytest.mark.unit
def test_the_mapping_of_the_page_takes_such_files_in(tmp_path: Path) -> None:
    (mapping,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "first-pack.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "my.toml").write_text(mapping, encoding="utf-8")
    folder = tmp_path / "my_extract"
    folder.mkdir()
    for name, lines in FILES.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copy(paths.reference() / "unit_costs.csv", folder)
    result = map_folder(folder, tmp_path / "my.toml")
    rows = {name: sources.Relation.to_pandas(table) for name, table in result.dataset.tables.items()}
    assert rows["activity"].groupby("setting").size().to_dict() == {"admitted": 3, "emergency": 2, "outpatient": 2}
    pods = dict(zip(rows["activity"]["activity_id"], rows["activity"]["pod"], strict=True))
    assert set(pods.values()) == {
        "ae_type1", "ae_type3", "elective", "day_case", "non_elective_short", "outpatient_first", "outpatient_procedure"
    }  # fmt: skip
    assert rows["activity"]["recorded_cost_pence"].max() == 796_536
    assert len(rows["patients"]) == 2 and set(rows["patients"]["sex"]) == {"male", "unknown"}
    assert rows["population"]["persons"].sum() == 18_100.5
    assert len(rows["unit_costs"]) > 150
    assert not set(rows["patients"]["patient_id"].astype(str)) & {"9434765919", "9434765870"}
