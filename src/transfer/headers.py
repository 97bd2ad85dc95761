"""Which column headers of brokers' files mean which field, in English and Chinese."""

import re
from enum import StrEnum

from src.transfer.numbers import plain


class Field(StrEnum):
    """What a column of a file can hold. The values are the headers of this project's own export."""

    SYMBOL = "symbol"
    QUANTITY = "quantity"
    AVG_COST = "avg_cost"
    COMPANY_NAME = "company_name"
    SECTOR = "sector"
    PRICE = "price"
    PRICE_AS_OF = "price_as_of"


# The likeliest first: where two columns of a file are known for one field, the one further up is it.
_WORDS: dict[Field, str] = {
    Field.SYMBOL: """symbol; stock code; stock symbol; security code; securities code; instrument code; product code;
        ticker; ticker symbol; stock no; stock number; code; stock; instrument; ric; bloomberg code; underlying;
        股票代號; 股份代號; 證券代號; 股票編號; 股份編號; 股票代碼; 股份代碼; 證券代碼; 證券編號; 產品代號; 代號;
        代碼; 編號; 股票代号; 股份代号; 证券代号; 股票代码; 股份代码; 证券代码; 产品代码; 代号; 代码""",
    Field.QUANTITY: """quantity; qty; quantity held; shares; shares held; no of shares; number of shares;
        share quantity; holding quantity; holding qty; position quantity; position qty; total quantity; total qty;
        balance quantity; units; holding; holdings; position; stock balance; net position; net quantity;
        current quantity; balance qty; ledger balance; 持倉數量; 持股數量; 股數; 股份數目; 股票數量; 數量; 持有數量;
        總數量; 結餘數量; 持倉; 持股; 總結存; 結存數量; 股份結餘; 持仓数量; 持股数量; 股数; 股票数量; 证券数量; 数量;
        持有数量; 总数量; 持仓; 股票余额; 证券余额; 当前数量; 当前持仓""",
    Field.AVG_COST: """avg cost; average cost; average cost price; avg cost price; average unit cost; unit cost;
        cost per share; cost price; average price; avg price; ave cost; ave price; diluted cost;
        average purchase price; purchase price; buy price; average buy price; entry price; open price avg;
        avg open price; avg entry price; book cost per share; cost basis per share; cost; 平均成本; 平均成本價;
        平均價; 成本價; 每股成本; 買入均價; 平均買入價; 持倉成本價; 持倉均價; 攤薄成本價; 成本; 均價; 平均成本价;
        平均价; 成本价; 买入均价; 平均买入价; 持仓成本价; 持仓成本; 持仓均价; 摊薄成本价; 均价; 参考成本价""",
    Field.COMPANY_NAME: """company name; company; stock name; security name; securities name; instrument name; name;
        stock description; security description; product name; issuer; description; short name; 股票名稱; 股份名稱;
        證券名稱; 公司名稱; 產品名稱; 名稱; 股票; 證券; 股票名称; 股份名称; 证券名称; 公司名称; 名称; 证券""",
    Field.SECTOR: """sector; industry; sector name; industry sector; industry group; gics sector; asset class; 行業;
        板塊; 行業分類; 所屬行業; 行业; 板块; 行业分类; 所属行业""",
    Field.PRICE: """price; current price; market price; mkt price; last price; last; last traded price; closing price;
        close price; close; nominal price; latest price; unit price; spot price; mark price;
        現價; 市價; 收市價; 按盤價; 最新價; 收盤價; 現時價格; 最後成交價; 市場價格; 價格; 现价; 市价; 收市价; 按盘价;
        最新价; 收盘价; 市场价格; 当前价; 价格""",
    Field.PRICE_AS_OF: "price as of; price time; price date; 報價時間; 报价时间",
}
_RANKS: dict[str, tuple[int, Field]] = {}
for _field, _text in _WORDS.items():
    for _rank, _word in enumerate(_text.split(";")):
        _RANKS.setdefault(_word.strip(), (_rank, _field))

_UNIT = re.compile(r"[(\[](?:hkd|hk\$|\$|港元|港幣|港币|shares|股)[)\]]|\b(?:in )?hkd\b|hk\$")
_CHINESE = re.compile(r"[\u3400-\u9fff]+")


def meaning(header: str) -> tuple[int, Field] | None:
    """The field that a header names, and how far down its list (0 is the surest). None: not known.

    Case, spaces, punctuation, the unit HKD and a translation beside it (`股票代號 Stock Code`) do not matter.
    """
    text = _UNIT.sub(" ", plain(header).casefold())
    chinese = "".join(_CHINESE.findall(text))
    latin = " ".join(re.sub(r"[^a-z0-9]+", " ", text).split())
    found = {_RANKS[part] for part in (chinese, latin) if part in _RANKS}
    if len({field for _, field in found}) != 1:
        return None
    return min(found)


def known(headers: list[str] | tuple[str, ...]) -> set[Field]:
    """The fields that a row of headers names."""
    return {found[1] for found in map(meaning, headers) if found}
