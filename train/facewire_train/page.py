"""One HTML page with everything inside: readable on a desk and on a telephone, without a network."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

STYLE = """
:root{color-scheme:light dark;--line:#8885;--dim:#888}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;max-width:78rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.5rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}
p{max-width:46rem;margin:.4rem 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0}
td,th{border-bottom:1px solid var(--line);padding:.2rem .7rem .2rem 0;text-align:left;white-space:nowrap}
th{white-space:normal;overflow-wrap:anywhere;min-width:4.5rem;max-width:16rem;vertical-align:bottom}
td:first-child,th:first-child{position:sticky;left:0;background:Canvas}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr));gap:1rem}
.faces{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem}
figure{margin:0}figure img{width:100%;display:block;background:#fff}
figcaption{font-size:.8rem;color:var(--dim);overflow-wrap:anywhere}
"""


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """Give the whole page; ``lead`` is text, ``sections`` are HTML."""
    name = html.escape(title)
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{name}</title><style>{STYLE}</style></head>'
    )
    body = "\n".join(part for part in sections if part)
    below = note(lead) if lead else ""
    return f"{head}<body><h1>{name}</h1>{below}\n{body}\n</body></html>\n"


def section(title: str, *parts: str) -> str:
    """Give a heading and what stands under it."""
    return f"<h2>{html.escape(title)}</h2>\n" + "\n".join(parts)


def note(text: str) -> str:
    """Give a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give a table; numbers stand to the right, ``None`` is a dash."""
    head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def charts(figures: Iterable[str]) -> str:
    """Lay figures beside each other, as many as fit."""
    return f'<div class="charts">{"".join(figures)}</div>'


def faces(figures: Iterable[str]) -> str:
    """Lay small pictures beside each other, as many as fit."""
    return f'<div class="faces">{"".join(figures)}</div>'


def picture(data: bytes, media_type: str, caption: str = "", name: str = "") -> str:
    """Give a picture with its bytes inside."""
    source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img loading="lazy" alt="{html.escape(name or caption)}" src="{source}">{below}</figure>'


def _cell(value: Any) -> str:
    if value is None:
        return '<td class="n">–</td>'
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{html.escape(str(value))}</td>"
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f'<td class="n">{value:g}</td>'
