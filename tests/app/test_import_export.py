"""Import, export and the change history, as a trader uses them."""

import codecs
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from src.database_enhanced import DatabaseManager
from src.domain.edits import diff
from src.transfer.exporting import to_csv
from tests.app.conftest import OpenPage, shown
from tests.conftest import MakeDatabase

MIXED = (
    "股票代號;股票名稱;持倉數量;平均成本;市價\r\n"
    "00700;騰訊控股;3,200;320.50;315.20\r\n"
    "00001;長和;500;45.125;\r\n"
    "AAPL;Apple;10;100;\r\n"
    "00005;滙豐;1000000000000;1;\r\n"
    "合計;;4,200;;\r\n"
)
Bench = tuple[DatabaseManager, AppTest]


@pytest.fixture
def importing(make_database: MakeDatabase, open_page: OpenPage) -> Any:
    """`importing("v3")`: the database, and the page in its Import view."""

    def begin(schema: str = "v3", view: str = "Import") -> Bench:
        url = make_database(schema, sample=True)
        app = open_page(url, "portfolio", id="DEFAULT")
        app.segmented_control("view").set_value(view).run()
        return DatabaseManager(url), app

    return begin


def upload(app: AppTest, data: bytes, name: str = "broker.csv") -> None:
    app.file_uploader[0].set_value((name, data, "text/csv")).run()


def column(app: AppTest, label: str) -> Any:
    return next(one for one in app.selectbox if one.label.replace("\\", "") == label)


def held(manager: DatabaseManager) -> dict[str, tuple[int, Decimal]]:
    frame = manager.get_portfolio_positions("DEFAULT")
    return dict(zip(frame["symbol"], zip(frame["quantity"], frame["avg_cost"], strict=True), strict=True))


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.button]


@pytest.mark.parametrize("encoding", ["big5hkscs", "gb18030", "utf-8-sig"])
def test_a_brokers_file_with_bad_rows_is_previewed_imported_in_part_and_undone_as_one(
    importing: Any, encoding: str
) -> None:
    manager, app = importing()
    before = held(manager)
    upload(app, MIXED.encode(encoding))
    text = shown(app)
    assert "Quantity 3,100 → 3,200" in text
    assert "Tencent → 騰訊控股" in text
    assert "added: 500 at 45.125" in text
    assert "3 rows that cannot be taken" in text
    for number, why in ((4, "is not a Hong Kong symbol"), (5, "the database holds at most"), (6, "合計")):
        assert f"<div>{number}</div>" in text
        assert why in text
    assert "Not in the file, and staying as they are" in text.replace("\\", "")
    assert held(manager) == before
    assert "Import 2 good rows, leave 3 out" in labels(app)
    app.button("import_positions").click().run()
    assert "Imported broker.csv: 1 changed, 1 added" in app.success[0].value.replace("\\", "")
    found = held(manager)
    assert found["0700.HK"] == (3200, Decimal("320.500"))
    assert found["0001.HK"] == (500, Decimal("45.125"))
    assert len(found) == len(before) + 1
    app.button("undo_mine").click().run()
    assert held(manager) == before


def test_the_same_file_again_changes_nothing_and_says_who_imported_it(importing: Any) -> None:
    manager, app = importing()
    for _ in range(2):
        app.segmented_control("view").set_value("Import").run()
        upload(app, MIXED.encode())
        if app.button and "import_positions" in [one.key for one in app.button]:
            app.button("import_positions").click().run()
    assert "There is nothing to import: nothing in it differs" in app.info[0].value
    assert any("This very file was imported by" in one.value for one in app.caption)
    assert "import_positions" not in [one.key for one in app.button]
    assert len(manager.revisions("DEFAULT")) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PK\x03\x04" + bytes(300), "a spreadsheet workbook"),
        (random.Random(3).randbytes(3000), "not a text file"),
        (b"", "The file is empty"),
        (b"Symbol,Quantity\n" + b"0700,1\n" * 1_500_000, "at most 10 MB can be imported"),
        (b"Symbol,Quantity\n" + b"0700,1\n" * 5_001, "more than 5,000 rows"),
        (b'Symbol,Quantity\n0700,"1\n', "a quotation mark that is not closed"),
        (b"Name,Price\nTencent,1\n", "Say which column is the symbol and which is the quantity"),
    ],
)
def test_files_that_cannot_be_read_are_reported_and_nothing_is_written(importing: Any, data: bytes, why: str) -> None:
    manager, app = importing()
    upload(app, data)
    assert why in app.error[0].value
    assert "import_positions" not in [one.key for one in app.button]
    assert manager.revisions("DEFAULT") == ()


def test_the_guessed_mapping_is_corrected_and_two_columns_for_one_field_are_refused(importing: Any) -> None:
    _, app = importing()
    upload(app, b"Code,Shares,A,B\n700,3200,321.5,1\n")
    column(app, "B").set_value("avg_cost").run()
    column(app, "A").set_value("avg_cost").run()
    assert "'A' and 'B' are both said to be average cost: choose one of them" in app.error[0].value
    assert "import_positions" not in [one.key for one in app.button]
    column(app, "B").set_value("left out").run()
    assert not app.error
    assert "Average cost 320.500 → 321.500" in shown(app)


def test_how_the_file_is_read_may_be_corrected(importing: Any) -> None:
    _, app = importing()
    upload(app, b"Code;Shares;Cost\n700;1.000;38.500\n")
    assert "may mean 1 or 1000: say how the file writes its numbers" in shown(app)
    column(app, "Numbers like").set_value("1.234,50").run()
    assert "Quantity 3,100 → 1,000, Average cost 320.500 → 38,500.000" in shown(app)
    column(app, "Separator").set_value(",").run()
    assert "Say which column is the symbol" in app.error[0].value
    column(app, "Separator").set_value("as found").run()
    column(app, "Encoding").set_value("UTF-16").run()
    assert app.error


def test_names_of_300_characters_emoji_and_attacks(importing: Any) -> None:
    manager, app = importing()
    rows = (
        f"Symbol,Quantity,Avg cost,Name\n1,1,1,{'n' * 300}\n2,1,1,🚀 <b>x</b>\n'; DROP TABLE x,1,1,y\n3,1,-1,z\n"
        "4,1,1,=cmd()\n"
    )
    upload(app, rows.encode(), "<img src=x> *b*.csv")
    text = shown(app)
    assert "<b>x</b>" not in text
    assert "at most 200 characters" in text
    assert "Average cost is -1; it cannot be below 0" in text
    assert "Import 2 good rows, leave 3 out" in labels(app)
    app.button("import_positions").click().run()
    assert not app.error
    names = dict(manager.get_portfolio_positions("DEFAULT")[["symbol", "company_name"]].itertuples(index=False))
    assert (names["0002.HK"], names["0004.HK"]) == ("🚀 <b>x</b>", "=cmd()")


def test_someone_else_saves_between_preview_and_import(importing: Any) -> None:
    manager, app = importing()
    upload(app, b"Symbol,Quantity\n700,3200\n5,1\n")
    manager.change_position("DEFAULT", "0700.HK", quantity=3333)
    app.button("import_positions").click().run()
    assert "Someone else changed 0700.HK meanwhile, so nothing was imported" in app.error[0].value
    assert "Quantity 3,333 → 3,200" in shown(app)
    assert held(manager)["0005.HK"][0] == 13428
    app.button("import_positions").click().run()
    assert held(manager)["0700.HK"][0] == 3200


def test_what_is_exported_imports_again_unchanged(importing: Any) -> None:
    manager, app = importing()
    upload(app, to_csv(manager.positions("DEFAULT")))
    assert "nothing in it differs" in app.info[0].value
    assert any("12 rows as the portfolio has it already" in one.value for one in app.caption)
    assert [one.key for one in app.get("download_button")] == ["export_csv", "export_workbook"]


def test_an_old_export_does_not_bring_old_prices_back(importing: Any) -> None:
    manager, app = importing()
    data = to_csv(manager.positions("DEFAULT")).replace(b"3100", b"3200")
    manager.update_position_price("0700.HK", 333)
    app.run()
    while "333.000" not in shown(app):
        app.segmented_control("view").set_value("Positions").run()
    app.segmented_control("view").set_value("Import").run()
    upload(app, data)
    assert "Quantity 3,100 → 3,200" in shown(app)
    assert "→ 315.200" not in shown(app)
    assert any("1 price of the file left out" in one.value for one in app.caption)
    column(app, "price_as_of").set_value("left out").run()
    assert "Quantity 3,100 → 3,200, Price 333.000 → 315.200" in shown(app)


def test_v1_imports_changes_and_says_that_new_positions_need_v2(importing: Any) -> None:
    manager, app = importing("v1")
    upload(app, codecs.BOM_UTF8 + b"Symbol,Quantity,Cost\n700,3200,320.5\n1,5,5\n")
    assert any("1 position of the file" in one.value and "needs v2" in one.value for one in app.caption)
    assert "Import 1 good row" in labels(app)
    app.button("import_positions").click().run()
    assert "1 changed" in app.success[0].value
    assert held(manager)["0700.HK"][0] == 3200
    assert "0001.HK" not in held(manager)


def test_history_says_who_changed_what_and_offers_what_can_be_undone(importing: Any) -> None:
    manager, app = importing(view="History")
    assert "Nothing was saved in this portfolio yet" in app.info[0].value
    manager.change_position("DEFAULT", "0700.HK", quantity=3200, by="Ann")
    manager.change_position("DEFAULT", "0700.HK", quantity=3300, by="<i>Ben</i>")
    manager.remove_position("DEFAULT", "0005.HK", by="Cy")
    while app.info:
        app.run()
    text = shown(app)
    assert text.index("Edited by Cy") < text.index("Edited by &lt;i&gt;Ben") < text.index("Edited by Ann")
    assert "Quantity 3,200 → 3,300" in text
    assert "removed: 13,428 at 38.500" in text
    # Ann's is under Ben's.
    assert [one.key for one in app.button if str(one.key).startswith("undo_")] == ["undo_3", "undo_2"]
    app.button("undo_3").click().run()
    assert "0005.HK" in held(manager)
    assert "undone by revision 4" in shown(app)
    assert "Revision 3 undone by" in shown(app)
    assert "undo_3" not in [one.key for one in app.button]
    app.button("undo_2").click().run()
    app.button("undo_1").click().run()
    assert held(manager)["0700.HK"][0] == 3100


def test_history_on_v1(importing: Any) -> None:
    manager, app = importing("v1", view="History")
    assert not app.error
    [tencent] = [one for one in manager.positions("DEFAULT") if one.symbol == "0700.HK"]
    manager.save_positions("DEFAULT", diff([tencent], [replace(tencent, quantity=3200)]), by="Ann")
    while app.info:
        app.run()
    assert "Edited by Ann" in shown(app)
    assert "Quantity 3,100 → 3,200" in shown(app)
    app.button("undo_1").click().run()
    assert held(manager)["0700.HK"][0] == 3100


def test_an_undo_that_would_overwrite_is_refused(importing: Any) -> None:
    manager, app = importing(view="History")
    manager.change_position("DEFAULT", "0700.HK", quantity=3200, by="Ann")
    while app.info:
        app.run()
    manager.change_position("DEFAULT", "0700.HK", quantity=3300, by="Ben")
    app.button("undo_1").click().run()
    assert "cannot be undone as a whole: 0700.HK changed since. Nothing was changed" in app.error[0].value
    assert held(manager)["0700.HK"][0] == 3300
