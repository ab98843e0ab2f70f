"""The run as one self-contained HTML page."""

from vlrlcd.report.page import write_report

__all__ = ["write_report"]
