"""A run for people: one self-contained HTML page, and the card of the student."""

from vlrlcd.report.model_card import write_model_card
from vlrlcd.report.page import write_report

__all__ = ["write_model_card", "write_report"]
