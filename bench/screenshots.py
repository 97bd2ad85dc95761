"""`python -m bench.screenshots`: the pictures in docs/images, taken anew.

The sample data, in an embedded database of their own, after phase 1 and with two copies of its portfolio; each page in
two widths and two themes.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from src.auth.sessions import LoginKind, LoginSessions
from src.config import PROJECT_ROOT, load_settings
from src.database_enhanced import DatabaseManager
from src.embedded.api import stop

IMAGES = PROJECT_ROOT / "docs" / "images"
PAGES = {
    "portfolios": "/portfolios",
    "portfolio": "/portfolio?id=TECH-TRY",
    "comparison": "/comparison?left=DEFAULT&right=TECH-TRY&also=DIV",
    "system_status": "/system_status",
}
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
TALLEST = 2400
PORT = "8599"


def chromium() -> str:
    """The browser: $CHROMIUM, or one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), "/usr/bin/chromium")


def prepare() -> None:
    """Phase 1 on the sample, then two copies to show."""
    command = [sys.executable, str(PROJECT_ROOT / "run_migration.py"), "phase1", "--yes"]
    subprocess.run(command, check=True, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL)
    manager = DatabaseManager(settings=load_settings())
    manager.copy_portfolio("DEFAULT", "TECH-TRY", "Tech, heavier")
    manager.rename_portfolio(
        "TECH-TRY", "Tech, heavier", description="What if half of HSBC were Tencent?", strategy="Momentum"
    )
    manager.change_position("TECH-TRY", "0005.HK", quantity=6728)
    manager.change_position("TECH-TRY", "0700.HK", quantity=4000, avg_cost="319.10")
    manager.copy_portfolio("DEFAULT", "DIV", "Dividends only")
    manager.rename_portfolio("DIV", "Dividends only", strategy="Income")
    for symbol in ("0700.HK", "1810.HK", "3690.HK", "9618.HK", "9988.HK"):
        manager.remove_position("DIV", symbol)
    manager.close()


@contextmanager
def dashboard() -> Iterator[str]:
    """The dashboard's URL, while it runs."""
    command = [sys.executable, str(PROJECT_ROOT / "dashboard.py")]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                found = re.search(r"http://[^\s/]+", line)
                if found:
                    yield found.group()
                    break
        finally:
            process.terminate()


def take(browser: Browser, url: str, name: str, width: int, theme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    )
    session = LoginSessions(load_settings().home).issue(LoginKind.TOKEN, "admin")
    context.add_cookies([{"name": f"hk_session_{PORT}", "value": session, "url": url}])
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".hk-table")
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, 700), TALLEST)})
    page.wait_for_timeout(1500)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(128)
    picture.save(IMAGES / f"{name}_{width}_{theme}.png", optimize=True)
    context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hk-screenshots-") as home:
        os.environ.update(
            DATABASE_URL="", REDIS_URL="", DASHBOARD_ADDRESS="127.0.0.1", DASHBOARD_PORT=PORT, HK_STRATEGY_HOME=home,
            HK_STRATEGY_BACKUPS=str(Path(home) / "backups"), HK_STRATEGY_LOGS=str(Path(home) / "logs"),
        )  # fmt: skip
        prepare()
        with dashboard() as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for name, path in PAGES.items():
                for width in WIDTHS:
                    for theme in THEMES:
                        take(browser, base + path, name, width, theme)
            browser.close()
        stop(load_settings())
    print(f"{len(PAGES) * len(WIDTHS) * len(THEMES)} pictures in {IMAGES.relative_to(PROJECT_ROOT)}")


if __name__ == "__main__":
    main()
