"""The pages that are shown before Streamlit is: plain HTML, without a script. Everything from outside is escaped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from starlette.responses import HTMLResponse

from src.auth.authenticator import User
from src.auth.passwords import MIN_LENGTH
from src.auth.sessions import LoginKind

STYLE = (Path(__file__).parent / "assets" / "page.css").read_text(encoding="utf-8")


def _page(title: str, body: str, status: int = 200, head: str = "") -> HTMLResponse:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"{head}<title>{escape(title)} · HK Strategy</title><style>{STYLE}</style></head>"
        f'<body><main><div class="brand">HK Strategy</div><h1>{escape(title)}</h1>{body}</main></body></html>'
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _said(text: str, kind: str = "bad") -> str:
    return f'<p class="{kind}" role="alert">{escape(text)}</p>' if text else ""


def _field(label: str, name: str, complete: str, *, secret: bool = True, value: str = "", focus: bool = False) -> str:
    kind = "password" if secret else "text"
    more = ' autocapitalize="none" spellcheck="false"' if not secret else ""
    return (
        f'<label>{escape(label)}<input type="{kind}" name="{name}" autocomplete="{complete}" maxlength="1000" required'
        f'{more}{" autofocus" if focus else ""} value="{escape(value)}"></label>'
    )


def login(next_path: str, *, name: str = "", problem: str = "", said: str = "", status: int = 200) -> HTMLResponse:
    """Name and password."""
    body = (
        f'{_said(problem)}{_said(said, "good")}<form method="post" action="/auth/login">'
        f'<input type="hidden" name="next" value="{escape(next_path)}">'
        f"{_field('Name', 'name', 'username', secret=False, value=name, focus=not name)}"
        f"{_field('Password', 'password', 'current-password', focus=bool(name))}"
        "<button>Log in</button></form>"
    )
    return _page("Log in", body, status)


def terminal(*, problem: str = "", said: str = "", status: int = 200) -> HTMLResponse:
    """There are no accounts: whoever sees the terminal is the admin."""
    body = (
        f"{_said(problem)}{_said(said, 'good')}"
        "<p>Open the link that the terminal shows, where the dashboard was started. Each link works once; the next one "
        "then stands there.</p>"
        '<form method="post" action="/auth/token">'
        f"{_field('Or paste it here', 'token', 'off')}<button>Log in</button></form>"
        '<p class="note">For names and passwords instead: <code>python -m src.accounts add NAME --role admin</code></p>'
    )
    return _page("Log in", body, status)


def closed() -> HTMLResponse:
    body = (
        "<p>There is no account yet. On the machine that the dashboard runs on, add one:</p>"
        "<p><code>python -m src.accounts add NAME --role admin</code></p>"
    )
    return _page("Nobody can log in yet", body, 503)


def providers(names: Sequence[str], next_path: str, *, said: str = "") -> HTMLResponse:
    """A button per OpenID Connect provider; "default" is the only one."""
    links = "".join(
        f'<a class="button" href="/auth/start?provider={quote(name, safe="")}&amp;next={quote(next_path, safe="")}">'
        f"{escape('Log in' if name == 'default' else f'Log in with {name}')}</a>"
        for name in names
    )
    return _page("Log in", f"{_said(said, 'good')}<p>Your organisation says who you are.</p>{links}")


def account(user: User) -> HTMLResponse:
    change = '<a class="button quiet" href="/auth/password">Change the password</a>'
    password = change if user.kind is LoginKind.ACCOUNT else ""
    body = (
        f"<p><b>{escape(user.name)}</b>, {escape(user.role)}</p>{password}"
        '<form method="post" action="/auth/logout"><button>Log out</button></form>'
        '<p class="note"><a href="/">Back to the portfolios</a></p>'
    )
    return _page("Your account", body)


def password(user: User, *, problem: str = "", status: int = 200) -> HTMLResponse:
    body = (
        f'{_said(problem)}<form method="post" action="/auth/password">'
        f'<input type="hidden" name="username" autocomplete="username" value="{escape(user.name)}">'
        f"{_field('Old password', 'old', 'current-password', focus=True)}"
        f"{_field(f'New password, at least {MIN_LENGTH} characters', 'new', 'new-password')}"
        f"{_field('The new one again', 'again', 'new-password')}<button>Change the password</button></form>"
        '<p class="note">Your other sessions end with it. <a href="/">Leave it as it is</a></p>'
    )
    return _page(f"Password of {user.name}", body, status)


def message(title: str, text: str, *, kind: str = "", status: int = 200) -> HTMLResponse:
    return _page(title, f'<p class="{kind}">{escape(text)}</p><p class="note"><a href="/">Go on</a></p>', status)


def onward(path: str) -> HTMLResponse:
    """Goes to `path` by itself: as a step of our own page, so that the browser sends our cookie along.

    It does not on the way here, when another site's link, or a provider's redirect, led to us.
    """
    head = f'<meta http-equiv="refresh" content="0;url={escape(path)}">'
    return _page("One moment", f'<p><a href="{escape(path)}">Go on</a></p>', head=head)
