"""Who gives the anchors: `teacher_for` and what every teacher has in common."""

from vlrlcd.anchors.teachers.base import CONNECTION, Teacher, TeacherFault, TeacherReply
from vlrlcd.anchors.teachers.chat import ChatTeacher
from vlrlcd.anchors.teachers.files import AnswersFile, DatasetColumn
from vlrlcd.config import AskedConfig, Config
from vlrlcd.data.card import Card
from vlrlcd.data.tasks import TASKS
from vlrlcd.errors import UserError

__all__ = [
    "CONNECTION",
    "AnswersFile",
    "ChatTeacher",
    "DatasetColumn",
    "Teacher",
    "TeacherFault",
    "TeacherReply",
    "local_teacher",
    "teacher_for",
]


def local_teacher(settings: AskedConfig) -> Teacher:
    """A checkpoint on this machine, see `LocalTeacher`; asking an endpoint does without torch."""
    from vlrlcd.anchors.teachers.local import LocalTeacher

    return LocalTeacher(settings)


TEACHERS = {
    "column": lambda config, card: DatasetColumn(_style(config.anchors.style, card)),
    "chat": lambda config, card: ChatTeacher(config.teacher),
    "local": lambda config, card: local_teacher(config.teacher),
    "file": lambda config, card: AnswersFile(config.teacher),
}


def teacher_for(config: Config, card: Card) -> Teacher:
    """The teacher that the configuration names. Raises UserError for settings that its kind cannot work with."""
    return TEACHERS[config.teacher.kind](config, card)


def _style(style: str, card: Card) -> str:
    known = TASKS[card.task].anchors
    if style not in known:
        raise UserError(
            f"anchors.style={style}: the rows of {card.name} (task {card.task}) hold no such anchor; use "
            f"{', '.join(known)}, or ask a teacher for anchors."
        )
    return known[style]
