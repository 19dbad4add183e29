"""The drift monitor: CloudEvents in; windows, Evidently's reports, metrics and the history of alerts out."""
