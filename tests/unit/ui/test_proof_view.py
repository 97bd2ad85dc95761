"""The proof of a run with more comparisons than a table shows at once."""

from streamlit.testing.v1 import AppTest


def view(*, whole: bool) -> AppTest:
    def script(whole: bool) -> None:
        from src.journal.model import ProofRow, ProofSubject
        from src.ui.system_status.migration import proof_view

        rows = [ProofRow(f"P{n}, cost, HKD", "1.00", "1.00", True, "", ProofSubject.PORTFOLIO) for n in range(200)]
        proof_view.show(7, rows, whole=whole)

    app = AppTest.from_function(script, default_timeout=60, kwargs={"whole": whole}).run()
    assert not app.exception
    return app


def test_the_panel_of_the_run_says_where_all_of_them_are() -> None:
    captions = [one.value for one in view(whole=False).caption]
    assert "90 of 200 comparisons: Activity, below, has them all in the details of run 7." in captions
    assert not any("run_migration" in one for one in captions), "what is typed is no step on a page"


def test_the_details_of_the_run_have_them_all() -> None:
    captions = [one.value for one in view(whole=True).caption]
    assert "1 to 90 of 200 comparisons" in captions
