"""Horizontal bars as SVG: a system a bar, what its answers promise under its name."""

import math
from xml.sax.saxutils import escape

WIDTH = 920
LEFT = 330          # where bars begin
RIGHT = 150         # room for the figure behind the longest bar
TOP = 76
BAR_STEP = 46
BAR_HEIGHT = 22
FOOT = 58
FONT = "font-family=\"system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif\""
COLOURS = {"ours": "#1d4ed8", "baseline": "#4b5563", "peer": "#94a3b8"}
DURABILITY_LINE = 52  # characters


def nice_step(largest, steps=5):
    """The distance of marks on an axis up to `largest`: 1, 2 or 5 times a power of ten, at most `steps` of them."""
    if largest <= 0:
        return 1
    power = 10 ** math.floor(math.log10(largest / steps))
    for factor in (1, 2, 5, 10):
        if factor * power * steps >= largest:
            return factor * power
    return 10 * power


def scale(value, largest):
    """Length of a bar in pixels."""
    return round((WIDTH - LEFT - RIGHT) * value / largest, 1) if largest > 0 else 0


def wrapped(words, width):
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def text(x, y, size, content, colour="#111827", anchor="start", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">'
            f"{escape(content)}</text>")


def bars(title, subtitle, entries, foot):
    """`entries`: dicts with name, under (small text), kind ("ours", "baseline", "peer"), synced, value, low, high, label."""
    largest = max((entry["high"] for entry in entries), default=0)
    under = [wrapped(entry["under"], DURABILITY_LINE) for entry in entries]
    heights = [BAR_STEP + 12 * (len(lines) - 1) for lines in under]
    bottom = TOP + sum(heights)
    height = bottom + FOOT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" {FONT} '
           f'role="img" aria-label="{escape(title)}">',
           "<defs>"]
    for kind, colour in COLOURS.items():
        out.append(f'<pattern id="not-synced-{kind}" width="7" height="7" patternUnits="userSpaceOnUse" '
                   f'patternTransform="rotate(45)"><rect width="7" height="7" fill="#ffffff"/>'
                   f'<rect width="3" height="7" fill="{colour}"/></pattern>')
    out += ["</defs>", f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            text(16, 28, 18, title, weight="bold"), text(16, 50, 13, subtitle, "#4b5563")]
    step = nice_step(largest)
    for i in range(int(largest / step) + 1):
        x = LEFT + scale(i * step, largest)
        out.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}" stroke="#e5e7eb"/>')
        out.append(text(x, bottom + 14, 11, f"{i * step:,.0f}", "#6b7280", "middle"))
    y = TOP
    for entry, lines, row in zip(entries, under, heights):
        fill = COLOURS[entry["kind"]] if entry["synced"] else f"url(#not-synced-{entry['kind']})"
        length = scale(entry["value"], largest)
        middle = y + BAR_HEIGHT / 2
        out.append(text(LEFT - 10, y + 12, 13, entry["name"], anchor="end", weight="bold" if entry["kind"] == "ours" else "normal"))
        for i, line in enumerate(lines):
            out.append(text(LEFT - 10, y + 27 + 12 * i, 10, line, "#6b7280", "end"))
        out.append(f'<rect x="{LEFT}" y="{y}" width="{length}" height="{BAR_HEIGHT}" fill="{fill}" stroke="{COLOURS[entry["kind"]]}"/>')
        low, high = LEFT + scale(entry["low"], largest), LEFT + scale(entry["high"], largest)
        if high - low > 1:
            out.append(f'<path d="M{low} {middle}H{high}M{low} {middle - 4}v8M{high} {middle - 4}v8" stroke="#111827" fill="none"/>')
        out.append(text(max(LEFT + length, high) + 8, y + 15, 12, entry["label"]))
        y += row
    for i, line in enumerate(foot):
        out.append(text(16, bottom + 34 + 15 * i, 11, line, "#4b5563"))
    out.append("</svg>")
    return "\n".join(out) + "\n"
