"""What is said of a URL never holds its password, however it is spelled."""

import pytest

from src.errors import ConfigurationError, HKStrategyError
from src.postgres.connection import connect, redact


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://trader:s3cret@t0ken@127.0.0.1:1/db",
        "postgresql://trader:s3cret:t0ken@127.0.0.1:1/db",
        "postgresql://trader:s3cret/t0ken@127.0.0.1:1/db",
        "postgresql://trader:s3cret%40t0ken@127.0.0.1:1/db",
        "host=127.0.0.1 port=1 user=trader password='s3cret t0ken' dbname=db",
        "postgresql://trader:s3cret%zzt0ken@127.0.0.1:1/db",
    ],
)
def test_a_failed_connection_does_not_show_the_password(url: str) -> None:
    with pytest.raises(HKStrategyError) as failure:
        connect(url)
    assert "s3cret" not in str(failure.value)
    assert "t0ken" not in str(failure.value)
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_an_unencoded_at_sign_is_reported_with_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match="@ as %40"):
        connect("postgresql://trader:a@b@127.0.0.1/db")


def test_the_longest_spelling_of_a_password_is_masked_first() -> None:
    url = "postgresql://trader:p%40p@127.0.0.1/db"
    assert redact("p%40p and p@p", url) == "**** and ****"


def test_a_password_of_one_letter_is_masked_where_a_password_stands_and_not_in_words() -> None:
    url = "postgresql://trader:a@/hk"
    assert (
        redact(f"GRANT SELECT ON ALL TABLES: {url}", url) == "GRANT SELECT ON ALL TABLES: postgresql://trader:****@/hk"
    )
    assert redact("user=trader password=a dbname=hk", url) == "user=trader password=**** dbname=hk"
