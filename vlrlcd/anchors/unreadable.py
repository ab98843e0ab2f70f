"""Training rows whose images cannot be read, by the policy of `data.bad_images`."""

from vlrlcd.anchors.quality import SetAside
from vlrlcd.config import DataConfig
from vlrlcd.data.example import Example
from vlrlcd.data.images import bad_images, check_images

UNREADABLE = "its image cannot be read"


def unreadable(settings: DataConfig, train: list[Example]) -> list[SetAside]:
    """The rows that are left out; decodes every image.

    Raises:
        UserError: the first of them, where they are not to be left out.
    """
    if settings.bad_images == "error":
        check_images(train)
        return []
    faults = {source: str(fault) for source, fault in bad_images(train)}
    bad = ((example, next((source for source in example.images if source in faults), None)) for example in train)
    return [SetAside(example.id, example.place, UNREADABLE, faults[source]) for example, source in bad if source]
