"""Keys and values of prefixes and of what their branches write, in buffers with room ahead: no copy at every token."""

from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import Cache, CacheLayerMixin

GROWTH = 1.5


class BranchLayer(CacheLayerMixin):
    """One decoder layer's buffers, `[B, heads, capacity, D]`.

    Attributes:
        filled: slots written so far, from the left.
        slots: row and slot of the next tokens, `[B, 1]` and `[B, tokens]` on the device; None writes behind what is
            filled and shows what is filled.
    """

    is_sliding = False

    def __init__(self):
        super().__init__()
        self.filled = 0
        self.slots: tuple[Tensor, Tensor] | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.slots is not None:
            self.keys.transpose(1, 2)[self.slots] = key_states.transpose(1, 2)
            self.values.transpose(1, 2)[self.slots] = value_states.transpose(1, 2)
            return self.keys, self.values
        if not self.get_max_length():
            # as they are, without a copy: room is made when more come
            self.keys, self.values, self.filled = key_states, value_states, key_states.shape[2]
            return key_states, value_states
        start, self.filled = self.filled, self.filled + key_states.shape[2]
        if self.filled > self.get_max_length():
            self.reserve(max(self.filled, int(GROWTH * start)))
        self.keys[:, :, start : self.filled] = key_states
        self.values[:, :, start : self.filled] = value_states
        return self.keys[:, :, : self.filled], self.values[:, :, : self.filled]

    def copy_prefixes(self, other: "BranchLayer", rows: Tensor, count: int, start: int) -> None:
        """See `BranchCache.copy_prefixes`."""
        end = start + other.filled
        if not self.is_initialized:
            self.keys, self.values = (
                kept.new_zeros(count, kept.shape[1], end, kept.shape[3]) for kept in (other.keys, other.values)
            )
            self.filled, self.is_initialized = end, True
        self.keys[rows, :, start:end] = other.keys[:, :, : other.filled]
        self.values[rows, :, start:end] = other.values[:, :, : other.filled]

    def reserve(self, capacity: int) -> None:
        """Makes room for so many slots in all, no fewer than there are."""
        # zeros: a slot that nobody sees yet takes part in a sum with weight 0, and 0 times nan is nan
        more = (0, 0, 0, max(0, capacity - self.get_max_length()))
        self.keys, self.values = pad(self.keys, more), pad(self.values, more)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.filled + query_length, 0

    def get_seq_length(self) -> int:
        return self.filled

    def get_max_length(self) -> int:
        return self.keys.shape[2]


class BranchCache(Cache):
    """The layers of a whole decoder, each made when it is first written.

    Every layer keeps all slots, whatever its attention: one that slides would drop what all branches together push out.
    """

    def __init__(self):
        super().__init__(layer_class_to_replicate=BranchLayer)

    @property
    def capacity(self) -> int:
        """Slots of a row that there is room for."""
        return self.layers[0].get_max_length()

    def reserve(self, capacity: int) -> None:
        """Makes room for so many slots in all."""
        for layer in self.layers:
            layer.reserve(capacity)

    def add(self, keys: Tensor, values: Tensor) -> None:
        """One more layer, which holds these, `[B, heads, slots, D]`."""
        layer = BranchLayer()
        layer.keys, layer.values, layer.filled, layer.is_initialized = keys, values, keys.shape[2], True
        self.layers.append(layer)

    def copy_prefixes(self, other: "BranchCache", rows: Tensor, count: int, start: int) -> None:
        """Copies all that another cache holds to some rows of this one.

        Args:
            other: of prefixes.
            rows: where each of them goes, `[B]`.
            count: rows of this one.
            start: the slot that their first token goes to; every call ends at the same slot.
        """
        while len(self.layers) < len(other.layers):
            self.layers.append(BranchLayer())
        for layer, theirs in zip(self.layers, other.layers, strict=True):
            layer.copy_prefixes(theirs, rows, count, start)

    def write_to(self, row_B1: Tensor, slots_BT: Tensor) -> None:
        """From now on the T tokens of a row go to these slots, and every slot is shown."""
        for layer in self.layers:
            layer.slots = (row_B1, slots_BT)

    def select(self, rows: Tensor) -> None:
        """Keeps some rows, given by their index."""
        for layer in self.layers:
            layer.keys, layer.values = (kept.index_select(0, rows) for kept in (layer.keys, layer.values))
