"""Who is let in: sessions and their end, the terminal's link, a provider's word, and how often one may try."""

import json
import logging
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.auth.authenticator import Authenticator, LoginRefused, Mode, Rules, Throttled
from src.auth.passwords import Cost
from src.auth.sessions import LIFETIME_S, LoginKind, LoginSessions
from src.auth.store import Accounts, Role
from src.auth.throttle import Limit, Throttle, network_of
from src.errors import ConfigurationError, InvalidInput

SECRET = "correct horse battery"
HERE = "192.0.2.7"
LOOPBACK, PUBLIC = Rules(loopback=True), Rules(loopback=False)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(tmp_path: Path, clock: Clock) -> Authenticator:
    """With an admin mei and a trader tom; hashes that take no time."""
    quick = Accounts(tmp_path, Cost(16, 1, 1))
    quick.add("mei", Role.ADMIN, SECRET)
    quick.add("tom", Role.TRADER, SECRET)
    made = Authenticator(tmp_path, PUBLIC, now=clock)
    made.accounts = quick
    return made


def again(authenticator: Authenticator, tmp_path: Path, clock: Clock) -> Authenticator:
    """The dashboard, started again."""
    return Authenticator(tmp_path, authenticator.rules, now=clock)


def test_a_session_says_who_and_what_role_also_after_a_restart(
    authenticator: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    cookie = authenticator.log_in("Mei", SECRET, HERE)
    user = again(authenticator, tmp_path, clock).authenticate(cookie)
    assert user is not None
    assert (user.name, user.role, user.is_admin) == ("mei", Role.ADMIN, True)
    trader = authenticator.authenticate(authenticator.log_in("tom", SECRET, HERE))
    assert trader is not None and not trader.is_admin
    assert SECRET not in cookie


@pytest.mark.parametrize(("name", "password"), [("mei", "wrong"), ("nobody", SECRET), ("", ""), ("mei", "")])
def test_the_wrong_name_and_the_wrong_password_are_reported_the_same(
    authenticator: Authenticator, name: str, password: str
) -> None:
    with pytest.raises(LoginRefused, match=r"^Name or password is wrong\.$"):
        authenticator.log_in(name, password, HERE)


def test_a_session_ends_after_twelve_hours(authenticator: Authenticator, clock: Clock) -> None:
    cookie = authenticator.log_in("mei", SECRET, HERE)
    clock.now += LIFETIME_S - 1
    assert authenticator.authenticate(cookie) is not None
    clock.now += 1
    assert authenticator.authenticate(cookie) is None


def test_a_cookie_from_after_logout_is_refused_also_after_a_restart(
    authenticator: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    cookie, other = authenticator.log_in("mei", SECRET, HERE), authenticator.log_in("mei", SECRET, HERE)
    authenticator.log_out(cookie)
    assert authenticator.authenticate(cookie) is None
    assert again(authenticator, tmp_path, clock).authenticate(cookie) is None
    assert authenticator.authenticate(other) is not None


def test_another_process_that_ends_a_session_is_heard_at_once(
    authenticator: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    cookie = authenticator.log_in("mei", SECRET, HERE)
    assert authenticator.authenticate(cookie) is not None
    again(authenticator, tmp_path, clock).log_out(cookie)
    assert authenticator.authenticate(cookie) is None


def test_the_record_of_ended_sessions_forgets_what_has_expired(
    authenticator: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    authenticator.log_out(authenticator.log_in("mei", SECRET, HERE))
    clock.now += LIFETIME_S + 1
    authenticator.log_out(authenticator.log_in("mei", SECRET, HERE))
    assert len(json.loads((tmp_path / "auth" / "ended.json").read_text())) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.characters(codec="ascii", min_codepoint=33))
def test_a_cookie_with_anything_changed_is_refused(tmp_path: Path, where: float, letter: str) -> None:
    sessions = LoginSessions(tmp_path)
    cookie = sessions.issue(LoginKind.ACCOUNT, "mei", "g")
    place = int(where * len(cookie))
    read = sessions.read(cookie[:place] + letter + cookie[place + 1 :])
    # The last letter of base64 holds bits that mean nothing: with them changed it is the same session, no other one.
    assert read is None or (read == sessions.read(cookie) and (letter == cookie[place] or place == len(cookie) - 1))


def test_cookies_of_another_installation_and_nonsense_are_refused(authenticator: Authenticator, tmp_path: Path) -> None:
    other = LoginSessions(tmp_path / "other")
    for cookie in (other.issue(LoginKind.ACCOUNT, "mei", "g"), "", ".", "x", "a.b.c", "é", "\udcff", "0" * 5000, None):
        assert authenticator.authenticate(cookie) is None


def test_the_key_is_its_owners_alone(authenticator: Authenticator, tmp_path: Path) -> None:
    for path in (tmp_path / "auth").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_change_of_password_ends_all_sessions_but_the_new_one(authenticator: Authenticator) -> None:
    cookie, elsewhere = authenticator.log_in("tom", SECRET, HERE), authenticator.log_in("tom", SECRET, HERE)
    user = authenticator.authenticate(cookie)
    assert user is not None
    with pytest.raises(LoginRefused, match="old password is wrong"):
        authenticator.change_password(user, "wrong", "a new one, longer", HERE)
    with pytest.raises(InvalidInput, match="at least 10"):
        authenticator.change_password(user, SECRET, "short", HERE)
    assert authenticator.authenticate(elsewhere) is not None
    fresh = authenticator.change_password(user, SECRET, "a new one, longer", HERE)
    assert authenticator.authenticate(fresh) == user
    assert authenticator.authenticate(cookie) is None
    assert authenticator.authenticate(elsewhere) is None


def test_a_removed_account_has_no_session_nor_when_it_comes_back_with_another_role(
    authenticator: Authenticator,
) -> None:
    cookie = authenticator.log_in("mei", SECRET, HERE)
    authenticator.accounts.remove("mei", force=True)
    assert authenticator.authenticate(cookie) is None
    authenticator.accounts.add("mei", Role.TRADER, SECRET)
    assert authenticator.authenticate(cookie) is None


def test_damaged_files_let_nobody_in(authenticator: Authenticator, tmp_path: Path) -> None:
    cookie = authenticator.log_in("mei", SECRET, HERE)
    (tmp_path / "auth" / "ended.json").write_text("[")
    (tmp_path / "auth" / "ended.json").chmod(0o600)
    with pytest.raises(ConfigurationError, match="no session is accepted"):
        authenticator.authenticate(cookie)


def fail(authenticator: Authenticator, name: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused, match="wrong"):
            authenticator.log_in(name, "wrong", address)


def test_five_tries_then_a_wait_and_the_owner_elsewhere_is_not_kept_out(authenticator: Authenticator) -> None:
    fail(authenticator, "mei", HERE, 5)
    with pytest.raises(Throttled, match=r"Too many tries\. Try again in 5 minutes") as caught:
        authenticator.log_in("mei", SECRET, HERE)
    assert 0 < caught.value.wait_s <= 300
    assert authenticator.log_in("tom", SECRET, HERE)
    assert authenticator.log_in("mei", SECRET, "198.51.100.9")


def test_a_success_makes_good_the_failures_before_it(authenticator: Authenticator) -> None:
    for _ in range(4):
        fail(authenticator, "mei", HERE, 4)
        authenticator.log_in("mei", SECRET, HERE)


def test_the_wait_ends_and_the_limit_per_address_is_slower() -> None:
    clock = Clock()
    throttle = Throttle(Limit(2, 60), Limit(4, 600), clock)
    assert [throttle.begin("mei", HERE) for _ in range(3)] == [0, 0, 60]
    clock.now += 60
    assert throttle.begin("mei", HERE) == 0
    assert throttle.begin("tom", HERE) == 0
    # The fifth at this address, whoever it is; elsewhere nobody notices.
    assert throttle.begin("ann", HERE) == 540
    assert throttle.begin("ann", "198.51.100.9") == 0


def test_a_success_does_not_reset_the_address() -> None:
    """Or whoever has one account could try all the others without end."""
    throttle = Throttle(Limit(5, 60), Limit(10, 600), Clock())
    for number in range(10):
        assert throttle.begin(f"victim{number}", HERE) == 0
        if throttle.begin("own", HERE) == 0:
            throttle.succeeded("own", HERE)
    assert throttle.begin("victim", HERE) > 0


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("") == ""


def announced(tmp_path: Path, rules: Rules = LOOPBACK) -> tuple[Authenticator, list[str]]:
    said: list[str] = []
    authenticator = Authenticator(tmp_path, rules, said.append)
    authenticator.token.ensure()
    authenticator.token.ensure()
    return authenticator, said


def test_the_terminals_link_works_once_and_then_there_is_another(tmp_path: Path) -> None:
    authenticator, said = announced(tmp_path)
    assert authenticator.mode is Mode.TOKEN
    assert len(said) == 1
    user = authenticator.authenticate(authenticator.log_in_with_token(said[0], "127.0.0.1"))
    assert user is not None and user.is_admin
    assert len(said) == 2
    for token in (said[0], "", said[1][:-1], "é"):
        with pytest.raises(LoginRefused, match="has been used"):
            authenticator.log_in_with_token(token, "127.0.0.1")
    assert authenticator.log_in_with_token(said[1], "127.0.0.1")


def test_the_first_account_closes_the_terminals_link_and_its_sessions(tmp_path: Path) -> None:
    authenticator, said = announced(tmp_path)
    cookie = authenticator.log_in_with_token(said[0], "127.0.0.1")
    Accounts(tmp_path, Cost(16, 1, 1)).add("mei", Role.ADMIN, SECRET)
    assert authenticator.mode is Mode.ACCOUNTS
    assert authenticator.authenticate(cookie) is None
    with pytest.raises(LoginRefused):
        authenticator.log_in_with_token(said[1], "127.0.0.1")


def test_without_accounts_nobody_gets_in_on_a_public_address(tmp_path: Path) -> None:
    authenticator, said = announced(tmp_path, PUBLIC)
    assert authenticator.mode is Mode.CLOSED
    with pytest.raises(LoginRefused):
        authenticator.log_in_with_token(said[0], HERE)
    with pytest.raises(LoginRefused):
        authenticator.log_in("mei", SECRET, HERE)


IDENTITIES = Rules(
    loopback=False, identities=True, admins=frozenset({"mei@hk.example"}), traders=frozenset({"tom@hk.example"})
)


def test_a_providers_word_counts_for_listed_addresses_once_and_for_a_while(tmp_path: Path, clock: Clock) -> None:
    authenticator = Authenticator(tmp_path, IDENTITIES, now=clock)
    user = authenticator.authenticate(authenticator.log_in_identity("Mei@HK.example", "id-token", clock.now + 60, HERE))
    assert user is not None and user.is_admin and user.name == "mei@hk.example"
    trader = authenticator.authenticate(authenticator.log_in_identity("tom@hk.example", "other", clock.now + 60, HERE))
    assert trader is not None and not trader.is_admin
    with pytest.raises(LoginRefused, match="has been used"):
        authenticator.log_in_identity("mei@hk.example", "id-token", clock.now + 60, HERE)
    with pytest.raises(LoginRefused, match="has been used"):
        authenticator.log_in_identity("mei@hk.example", "late", clock.now - 1, HERE)
    with pytest.raises(LoginRefused, match="may not use this dashboard"):
        authenticator.log_in_identity("eve@hk.example", "third", clock.now + 60, HERE)


def test_an_address_taken_off_the_list_is_out_with_its_sessions(tmp_path: Path, clock: Clock) -> None:
    cookie = Authenticator(tmp_path, IDENTITIES, now=clock).log_in_identity("mei@hk.example", "t", clock.now + 60, HERE)
    without = Rules(loopback=False, identities=True, traders=IDENTITIES.traders)
    assert Authenticator(tmp_path, without, now=clock).authenticate(cookie) is None


def test_neither_way_in_opens_with_the_others_session(
    authenticator: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    password = authenticator.log_in("mei", SECRET, HERE)
    identities = Authenticator(tmp_path, IDENTITIES, now=clock)
    assert identities.authenticate(password) is None
    assert authenticator.authenticate(identities.log_in_identity("mei@hk.example", "t", clock.now + 60, HERE)) is None


def test_the_log_shows_who_and_from_where_and_no_secret(
    authenticator: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cookie = authenticator.log_in("mei", SECRET, HERE)
    fail(authenticator, "mei", HERE, 1)
    fail(authenticator, "my-password-in-the-wrong-field", HERE, 1)
    authenticator.log_out(cookie)
    assert "mei (admin) logged in from 192.0.2.7" in caplog.text
    assert "failed to log in as mei from 192.0.2.7" in caplog.text
    assert "failed to log in as an unknown name from 192.0.2.7" in caplog.text
    for secret in (SECRET, cookie, "my-password", "wrong"):
        assert secret not in caplog.text


def test_the_metrics_token_opens_the_metrics_to_whoever_has_it(tmp_path: Path) -> None:
    authenticator = Authenticator(tmp_path, Rules(loopback=False, metrics_token="s3cret"))
    assert authenticator.may_read_metrics("Bearer s3cret")
    for header in (None, "", "Bearer ", "Bearer s3cre", "s3cret", "Bearer é"):
        assert not authenticator.may_read_metrics(header)
    assert not Authenticator(tmp_path, PUBLIC).may_read_metrics("Bearer ")
