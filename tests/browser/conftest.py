"""A real Chromium, headless, that may reach this machine only; what it complains of is kept."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from factories import make_tables, write_tables
from machine import needs
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
#: CI runs in a container, where there is no other user.
AS_ROOT = ["--as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []

expect.set_options(timeout=60_000)


@dataclass
class Watched:
    """A page with what went wrong on it: errors in the console, exceptions, requests that left the machine."""

    page: Page
    errors: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def asked(self, url: str) -> None:
        if url.startswith(("http:", "https:", "ws:", "wss:")) and "//127.0.0.1:" not in url:
            self.left.append(url)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return where Chromium is, or skip with the reason."""
    places = [
        os.environ.get("PATHCOST_CHROMIUM"),
        *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")),
    ]
    with needs("chromium", "install it, or set PATHCOST_CHROMIUM to its path"):
        path = next((p for p in places if p), None)
        if path is None:
            raise FileNotFoundError("no Chromium on the path")
        subprocess.run([path, "--version"], check=True, capture_output=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        with needs("chromium", "a browser that starts without a screen"):
            started = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield started
        started.close()


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Open a page of a width in pixels, in a browser that remembers nothing."""
    contexts = []

    def opened(width: int = 1280, height: int = 1000) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(120_000)
        watched.page.on("console", watched.heard)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        watched.page.on("request", lambda request: watched.asked(request.url))
        watched.page.on("websocket", lambda socket: watched.asked(socket.url))
        return watched

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def small_england(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ICBs with enough knees that most numbers may be shown."""
    return write_tables(tmp_path_factory.mktemp("england"), make_tables(patients=300))


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, chromium: str, small_england: Path) -> Iterator[Callable[..., str]]:
    """Run a command that serves a page on the small England; return the address that it prints. All stop at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*command: str, home: Path | None = None, data: bool = True) -> str:
        home = home or tmp_path_factory.mktemp(command[0])
        _settle(home)
        places = {"PATHCOST_HOME": home, "JUPYTER_CONFIG_DIR": home, "JUPYTERLAB_SETTINGS_DIR": home / "settings"}
        places |= {"JUPYTER_RUNTIME_DIR": home / "runtime", "IPYTHONDIR": home / "ipython"}
        code = "from pathcost_lib.cli import main; main()"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        tables = ["--data", str(small_england)] if data else []
        asked = [*command, *tables, "--no-browser", "--port", port, *AS_ROOT]
        with (home / "log.txt").open("wb") as log:
            environment = os.environ | {name: str(place) for name, place in places.items()}
            arguments = [sys.executable, "-c", code, *asked]
            started.append(subprocess.Popen(arguments, env=environment, stdout=log, stderr=log))
        return _address(started[-1], home / "log.txt")

    yield run
    for process in started:
        process.terminate()
        process.wait(30)


def _settle(home: Path) -> None:
    """Do not save the notebooks that the tests run."""
    settings = home / "settings" / "@jupyterlab" / "docmanager-extension"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"autosave": false}')


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(480):
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())
        if found:
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.25)
    raise RuntimeError(f"nothing is served:\n{log.read_text()}")
