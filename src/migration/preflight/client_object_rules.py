"""What v1 clients have made in the schemas of their compatibility views: it moves to public when those go."""

from collections.abc import Iterator

from src.journal.model import Phase
from src.migration.findings import Finding
from src.migration.preflight.facts import Facts
from src.migration.preflight.rules import refusal

TAKES_VIEWS = (Phase.PHASE2, Phase.ROLLBACK_V1)

CLIENT_OBJECT_NAME_TAKEN = refusal(
    "client-object-name-taken",
    TAKES_VIEWS,
    "v1 clients have made {objects}. It has to move to schema public, where that name is or will be taken.",
    "Rename or drop one of the two.",
)
CLIENT_OBJECT_STAYS = refusal(
    "client-object-stays",
    TAKES_VIEWS,
    "v1 clients have made {objects}, which PostgreSQL cannot move to schema public.",
    "Drop it, and make it there.",
)


def client_object_findings(facts: Facts) -> Iterator[Finding]:
    """Objects of clients that would stop the switch. Concerns what takes the compatibility views away."""
    if not facts.wants(*TAKES_VIEWS):
        return
    for what, taken in facts.transaction.rows("migration.preflight.survey.client_objects"):
        yield CLIENT_OBJECT_NAME_TAKEN(objects=[what]) if taken else CLIENT_OBJECT_STAYS(objects=[what])
