"""From a place in the model back to the name and the value that people wrote."""

from collections.abc import Sequence
from typing import Final

from sidecar.settings.layers import Layer
from sidecar.settings.problems import ABSENT
from sidecar.settings.table import VHOSTS

Location = tuple[str | int, ...]
"""(short, KEY, ITEM?), (vhosts, N, KEY, ITEM?) or (KEY,)."""

SHORT: Final = "short"


class Origin:
    """Which layer gave a value: flags, environment and, if there is one, file."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self.file = next((layer for layer in layers if layer.vhosts is not None), None)
        """The file, if it holds virtual hosts."""
        self.broken = any(layer.broken for layer in layers)

    def of(self, location: Location) -> tuple[str, object]:
        """The name and the value of a place in the model."""
        head, *rest = location
        if head == VHOSTS and self.file is not None:
            return self._of_entry(self.file, rest)
        key, *item = rest if head == SHORT else location
        layer = self._layer_of(str(key))
        return _of_item(layer.spell(str(key)), layer.values.get(str(key), ABSENT), item)

    def _of_entry(self, file: Layer, rest: Sequence[str | int]) -> tuple[str, object]:
        index, key, *item = rest
        entry = (file.vhosts or ())[int(index)]
        return _of_item(file.spell(f"{VHOSTS}[{index}].{key}"), entry.get(str(key), ABSENT), item)

    def _layer_of(self, key: str) -> Layer:
        """The first that has the key; else the first that has anything; else the environment."""
        holders = [layer for layer in self.layers if key in layer.values]
        speakers = [layer for layer in self.layers if layer.values]
        return (*holders, *speakers, self.layers[1])[0]


def _of_item(name: str, value: object, item: Sequence[str | int]) -> tuple[str, object]:
    """An item of a list is named by its number; an item of a text goes by the whole, and its refusal shows it."""
    if not item or not isinstance(value, list):
        return name, value
    index = int(item[0])
    return f"{name}[{index}]", value[index]
