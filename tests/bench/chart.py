"""Charts as SVG: groups of bars on a logarithmic scale, and lines on a linear one."""

from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 960, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 48, 92
INK, FAINT = "#24292f", "#e1e4e8"
COLORS = ["#8c959f", "#57606a", "#cf222e", "#0969da", "#1a7f37", "#8250df", "#bf8700", "#bc4c00", "#1b7c83",
          "#bf3989", "#4d2d00", "#6fdd8b"]


def text(x, y, content, size=13, anchor="middle"):
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{INK}">{escape(content)}</text>'


def label(value):
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def bars(title, groups, series):
    """`series` is a list of values, one per group, by name; None leaves a gap."""
    known = [value for values in series.values() for value in values if value]
    low, high = floor(log10(min(known))), ceil(log10(max(known) * 1.2))
    plot_height = HEIGHT - TOP - BOTTOM

    def y_of(value):
        return TOP + plot_height * (high - log10(value)) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 26, title, 17),
    ]
    for exponent in range(low, high + 1):
        y = y_of(10**exponent)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{10**exponent:g}", anchor="end"))
    group_width = (WIDTH - LEFT - RIGHT) / len(groups)
    bar_width = group_width * 0.88 / len(series)
    for group, group_name in enumerate(groups):
        begin = LEFT + group * group_width + group_width * 0.06
        parts.append(text(LEFT + (group + 0.5) * group_width, HEIGHT - BOTTOM + 22, group_name))
        for position, values in enumerate(series.values()):
            if values[group]:
                x, y = begin + position * bar_width, y_of(values[group])
                height = HEIGHT - BOTTOM - y
                color = COLORS[position % len(COLORS)]
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar_width - 2:.1f}" height="{height:.1f}" fill="{color}"/>'
                )
                parts.append(text(x + bar_width / 2 - 1, y - 4, label(values[group]), 10))
    parts += legend(list(series))
    return "\n".join([*parts, "</svg>"]) + "\n"


def lines(title, x_title, series):
    """`series` is a list of values, one for each step to the right, by name."""
    top = max(max(values) for values in series.values()) * 1.1
    steps = max(len(values) for values in series.values()) - 1

    def place(step, value):
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / steps
        return f"{x:.1f} {TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 26, title, 17),
        text(WIDTH / 2, HEIGHT - BOTTOM + 22, x_title),
    ]
    for part in range(5):
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - part / 4)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>')
        parts.append(text(LEFT - 8, y + 4, label(top * part / 4), anchor="end"))
    for position, values in enumerate(series.values()):
        path = "L".join(place(step, value) for step, value in enumerate(values))
        color = COLORS[(position + 2) % len(COLORS)]
        parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    parts += legend(list(series), first_color=2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def legend(names, first_color=0):
    parts, columns = [], 4
    for position, name in enumerate(names):
        x = LEFT + position % columns * (WIDTH - LEFT - RIGHT) / columns
        y = HEIGHT - 52 + position // columns * 18
        color = COLORS[(position + first_color) % len(COLORS)]
        parts.append(f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{color}"/>')
        parts.append(text(x + 18, y, name, 12, "start"))
    return parts
