"""The line above the health cards."""

import pytest

from src.health.model import Component, Key, State
from src.ui.system_status.health_view import summary


def component(name: str, state: State, *, known: bool = True) -> Component:
    return Component(Key.DATA, name, state, "", known=known)


UNKNOWN = [component(name, State.HEALTHY, known=False) for name in ("Data", "Last run")]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([component("Data", State.HEALTHY)] * 2, "All 2 components are healthy."),
        ([component("Data", State.HEALTHY), component("Last run", State.HEALTHY, known=False)], "Not known: Last run."),
        (
            [
                component("Cache", State.DOWN),
                *(component(name, State.HEALTHY, known=False) for name in ("Data", "Run")),
            ],
            "1 component of 3 needs attention: Cache.",
        ),
    ],
)
def test_what_is_not_known_is_not_called_healthy(found: list[Component], text: str) -> None:
    assert summary(found) == text
