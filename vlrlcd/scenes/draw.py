"""Scenes as pictures."""

from math import cos, pi, sin

from PIL import Image, ImageDraw

from vlrlcd.scenes.world import Scene

BACKGROUND = (246, 246, 242)
LINE = (214, 214, 208)
RGB = {
    "red": (214, 32, 40),
    "green": (36, 158, 62),
    "blue": (38, 84, 222),
    "yellow": (250, 214, 32),
    "orange": (248, 128, 16),
    "purple": (140, 44, 168),
}
RADIUS = {"small": 0.22, "large": 0.42}
SUPERSAMPLING = 3


def _polygon(corners: int, inner: float | None = None) -> list[tuple[float, float]]:
    radii = [1.0] if inner is None else [1.0, inner]
    steps = corners * len(radii)
    return [
        (radii[step % len(radii)] * sin(2 * pi * step / steps), -radii[step % len(radii)] * cos(2 * pi * step / steps))
        for step in range(steps)
    ]


OUTLINES = {
    "circle": _polygon(48),
    "square": [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)],
    "triangle": [(0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)],
    "star": _polygon(5, inner=0.42),
}


def draw(scene: Scene, cell_px: int = 48) -> Image.Image:
    """The scene as an RGB image of grid x cell_px pixels a side."""
    cell = cell_px * SUPERSAMPLING
    side = cell * scene.grid
    image = Image.new("RGB", (side, side), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for line in range(1, scene.grid):
        pen.line([(line * cell, 0), (line * cell, side)], fill=LINE, width=SUPERSAMPLING)
        pen.line([(0, line * cell), (side, line * cell)], fill=LINE, width=SUPERSAMPLING)
    for one in scene.objects:
        radius = RADIUS[one.size] * cell
        centre_x, centre_y = (one.col + 0.5) * cell, (one.row + 0.5) * cell
        outline = [(centre_x + radius * x, centre_y + radius * y) for x, y in OUTLINES[one.shape]]
        pen.polygon(outline, fill=RGB[one.colour])
    return image.reduce(SUPERSAMPLING)
