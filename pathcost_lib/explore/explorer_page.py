"""The explorer as a page of controls, for JupyterLab and Voilà: thin widgets over `explore.explorer`."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from pathcost_lib import paths
from pathcost_lib.errors import InputError
from pathcost_lib.explore.explorer import BREAKDOWNS, Explorer, Look, View
from pathcost_lib.packs.builder import safe_name
from pathcost_lib.packs.document import Document, Section, Table
from pathcost_lib.packs.workbook import write_workbook
from pathcost_lib.present.display import TABLE

__all__ = ["ExplorerPage", "save_view"]

_CSS = (Path(__file__).parent / "templates" / "explorer.css").read_text(encoding="utf-8")


def save_view(explorer: Explorer, view: View, look: Look, folder: Path) -> Path:
    """Write what a view shows to a workbook, whole or not at all, and return its path."""
    section = Section("explore", explorer.title(view), tuple(Table(bundle[TABLE]) for bundle in look.tables))
    area = explorer.names.get(view.icb, view.icb)
    document = Document(area, view.icb, view.year, look.headline, (section,), kind="Explored view")
    name = "-".join([view.icb, view.pathway, view.year, *(value for _, value in view.within), f"by-{view.breakdown}"])
    path = folder / f"{safe_name(name)}.xlsx"
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(write_workbook(document))
    return part.replace(path)


class ExplorerPage:
    """Controls, figure and table of one explorer; `.box` is the widget to display.

    Parameters
    ----------
    explorer : Explorer
    view : View
        Where to begin.
    folder : Path, optional
        Where views are saved; `reports/explored` if not given.
    """

    def __init__(self, explorer: Explorer, view: View, folder: Path | None = None) -> None:
        self.explorer, self.view, self.folder = explorer, view, folder or paths.reports() / "explored"
        self.look: Look | None = None
        self._quiet = False
        areas = sorted((f"{explorer.names.get(code, code)} ({code})", code) for code in explorer.icbs)
        self.icb = _dropdown("Area (ICB)", areas)
        self.pathway = _dropdown("Pathway", [(d.title, name) for name, d in explorer.pathways.items()])
        self.year = _dropdown("Window closes in", [(year, year) for year in explorer.years])
        self.breakdown = _dropdown("Break down by", [(text, code) for code, text in BREAKDOWNS.items()])
        self.inside = _dropdown("Look inside", [])
        self.open = widgets.Button(description="Open", tooltip="Show what this row is made of")
        self.back = widgets.Button(description="Back", tooltip="Return to the view before")
        self.save = widgets.Button(description="Save to Excel", tooltip="Save these tables as a workbook")
        self.place, self.status, self.saved = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.figure, self.table, self.basis = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.code = widgets.Textarea(description="Code that makes this view", rows=9)
        for control in (self.icb, self.pathway, self.year, self.breakdown):
            control.observe(self._chosen, names="value")
        self.open.on_click(lambda _: self.show(self.view.into(self.inside.value)))
        self.back.on_click(lambda _: self.show(self.view.back()))
        self.save.on_click(self._save)
        self.box = self._arranged()
        self.show(view)

    def _arranged(self) -> widgets.VBox:
        for box, name in ((self.code, "code"), (self.table, "table"), (self.basis, "table"), (self.place, "place")):
            box.add_class(f"pathcost-{name}")
        choose = widgets.HBox([self.icb, self.pathway, self.year, self.breakdown])
        drill = widgets.HBox([self.inside, self.open, self.back])
        keep = widgets.HBox([self.save, self.saved])
        for row in (choose, drill, keep):
            row.add_class("pathcost-row")
        parts = [choose, self.place, drill, self.status, self.figure, self.table, self.basis, keep, self.code]
        box = widgets.VBox([widgets.HTML(f"<style>{_CSS}</style>"), *parts])
        box.add_class("pathcost-explorer")
        return box

    def show(self, view: View) -> None:
        """Show a view; one that cannot be shown says why in its place."""
        self.view, self.look = view, None
        with self._setting():
            self.icb.value, self.pathway.value, self.year.value = view.icb, view.pathway, view.year
            self.breakdown.value = view.breakdown
        self.place.value, self.code.value, self.saved.value = self._crumbs(), self.explorer.code(view), ""
        at_hand = self.explorer.is_held(view)
        self._say("Computing ..." if at_hand else "Computing this pathway for all areas, once: some seconds ...")
        try:
            self.look = self.explorer.look(view)
        except InputError as error:
            self._say(str(error))
        self._fill(self.look)

    def _fill(self, look: Look | None) -> None:
        choices = list(look.choices.items()) if look else []
        with self._setting():
            self.inside.options = choices
            self.inside.value = choices[0][1] if choices else None
        self.inside.disabled = self.open.disabled = not choices
        self.back.disabled, self.save.disabled = not self.view.within, look is None
        self.figure.value = look.figure_html if look else ""
        self.table.value, self.basis.value = look.tables_html if look else ("", "")
        if look:
            self._say(look.headline)

    def _chosen(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        view = replace(self.view, breakdown=self.breakdown.value)
        if change["owner"] is not self.breakdown:
            # What was drilled into need not be there in another area, pathway or year.
            view = View(self.icb.value, self.pathway.value, self.year.value, self.breakdown.value)
        self.show(view)

    def _save(self, _: widgets.Button) -> None:
        if self.look is None:
            return
        path = save_view(self.explorer, self.view, self.look, self.folder)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        data = base64.b64encode(path.read_bytes()).decode()
        name = html.escape(path.name)
        link = f'<a download="{name}" href="data:{kind};base64,{data}">Download {name}</a>'
        self.saved.value = f'<p role="status">Saved as {html.escape(str(path))}. {link}</p>'

    def _crumbs(self) -> str:
        steps = [self.explorer.names.get(self.view.icb, self.view.icb)]
        steps += [self.explorer.label(column, value) for column, value in self.view.within]
        return f'<p><span class="label">You are in</span> {" › ".join(map(html.escape, steps))}</p>'

    def _say(self, text: str) -> None:
        self.status.value = f'<p role="status">{html.escape(text)}</p>'

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """Set controls without taking it for somebody's choice."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False


def _dropdown(label: str, options: list[tuple[str, str]]) -> widgets.Dropdown:
    return widgets.Dropdown(description=label, options=options)
