"""The processes of a run. Nothing is imported here, so that a command line without them starts fast."""
