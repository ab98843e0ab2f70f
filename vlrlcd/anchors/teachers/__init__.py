"""Who gives the anchors: `teacher_for` and what every teacher has in common."""

from vlrlcd.anchors.teachers.base import CONNECTION, Teacher, TeacherFault, TeacherReply
from vlrlcd.anchors.teachers.chat import ChatTeacher
from vlrlcd.anchors.teachers.files import AnswersFile, DatasetColumn
from vlrlcd.config import AskedConfig, Config
from vlrlcd.data.card import Card

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
    "column": lambda config, card: DatasetColumn("rationale" if card.task == "rationale" else config.anchors.style),
    "chat": lambda config, card: ChatTeacher(config.teacher),
    "local": lambda config, card: local_teacher(config.teacher),
    "file": lambda config, card: AnswersFile(config.teacher),
}


def teacher_for(config: Config, card: Card) -> Teacher:
    """The teacher that the configuration names. Raises UserError for settings that its kind cannot work with."""
    return TEACHERS[config.teacher.kind](config, card)
