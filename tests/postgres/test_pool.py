"""The pool: bounded, shared by threads, and never with a dead or dirty connection."""

import gc
import os
import threading

import psycopg2
import pytest

from src.errors import ConfigurationError, DatabaseUnavailable
from src.postgres.pool import LeasedConnection, Pool
from tests.support.databases import Database, execute


@pytest.fixture
def url(database: Database) -> str:
    return database("v1", 18)


def test_who_finds_none_free_is_reported_which_limit(url: str) -> None:
    pool = Pool(url, size=2, wait_s=0.05)
    taken = [pool.take(), pool.take()]
    with pytest.raises(DatabaseUnavailable, match="All 2 database connections of this process have been in use"):
        pool.take()
    for conn in taken:
        pool.give_back(conn)
    with pool.connection() as again:
        assert again in taken
    pool.close()


def test_who_waits_gets_the_first_that_comes_back(url: str) -> None:
    pool = Pool(url, size=1, wait_s=60)
    conn = pool.take()
    got: list[object] = []

    def wait() -> None:
        with pool.connection() as mine:
            got.append(mine)

    thread = threading.Thread(target=wait)
    thread.start()
    pool.give_back(conn)
    thread.join()
    assert got == [conn]
    pool.close()


def test_many_threads_share_few_connections(url: str) -> None:
    pool = Pool(url, size=3, wait_s=60)
    backends: set[int] = set()
    done: list[int] = []

    def work() -> None:
        for _ in range(20):
            with pool.connection() as conn, conn.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backends.add(cursor.fetchone()[0])
                done.append(1)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 240
    assert 1 <= len(backends) <= 3
    pool.close()


def test_what_was_not_committed_does_not_reach_the_next_user(url: str) -> None:
    pool = Pool(url, size=1)
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("DELETE FROM portfolio_positions")
    with pool.connection() as conn, conn.cursor() as cursor, pytest.raises(psycopg2.errors.DivisionByZero):
        cursor.execute("SELECT 1/0")
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM portfolio_positions")
        assert cursor.fetchone() == (4,)
    pool.close()


def test_a_dead_connection_is_replaced(url: str) -> None:
    pool = Pool(url, size=1, check_after_s=0.0)
    with pool.connection() as conn:
        dead = conn.info.backend_pid
    execute(url, "SELECT pg_terminate_backend(%s)", (dead,))
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert conn.info.backend_pid != dead
    pool.close()


def test_a_server_that_does_not_answer_leaves_the_pool_whole() -> None:
    pool = Pool("postgresql://trader:secret@127.0.0.1:1/nowhere", size=1, wait_s=0.05)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="PostgreSQL does not answer") as reported:
            pool.take()
        assert "secret" not in str(reported.value)
    with pytest.raises(ConfigurationError):
        Pool("no url at all=").take()


def test_a_child_process_uses_no_connection_of_its_parent(url: str) -> None:
    pool = Pool(url, size=1)
    with pool.connection() as conn:
        parents = conn.info.backend_pid
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with pool.connection() as conn:
                os.write(writing, str(conn.info.backend_pid).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        childs = int(answer.read())
    os.waitpid(child, 0)
    assert childs != parents
    with pool.connection() as conn, conn.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() == (parents,)
    pool.close()


def test_a_lease_commits_at_the_end_of_its_block_or_not_at_all(url: str) -> None:
    pool = Pool(url, size=1, wait_s=0.05)
    with LeasedConnection(pool) as conn:
        conn.cursor().execute("UPDATE portfolio_positions SET quantity = 1")
    assert execute(url, "SELECT DISTINCT quantity FROM portfolio_positions") == [(1,)]
    with pytest.raises(psycopg2.errors.DivisionByZero), LeasedConnection(pool) as conn:
        conn.cursor().execute("UPDATE portfolio_positions SET quantity = 2 / 0")
    assert execute(url, "SELECT DISTINCT quantity FROM portfolio_positions") == [(1,)]
    conn.close()
    with pytest.raises(psycopg2.InterfaceError, match="already closed"):
        conn.cursor()
    pool.close()


def test_a_lease_that_is_forgotten_comes_back(url: str) -> None:
    pool = Pool(url, size=1, wait_s=0.05)
    LeasedConnection(pool).cursor().execute("SELECT 1")
    gc.collect()
    with pool.connection() as conn:
        assert not conn.closed
    pool.close()


def test_what_a_lease_changed_in_its_session_does_not_reach_the_next_user(url: str) -> None:
    pool = Pool(url, size=1)
    lease = LeasedConnection(pool)
    lease.autocommit = True
    with lease.cursor() as cursor:
        cursor.execute("VACUUM portfolio_positions")
        cursor.execute("SET search_path = nowhere")
        cursor.execute("SET statement_timeout = 1000")
        cursor.execute("SELECT pg_advisory_lock(1)")
    lease.autocommit = False
    lease.set_session(readonly=True)
    lease.close()
    with pool.connection() as conn, conn.cursor() as cursor:
        assert conn.autocommit is False
        cursor.execute("UPDATE portfolio_positions SET quantity = 7")
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)
    pool.close()
