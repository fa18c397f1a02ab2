"""Whether a run's judges can be believed: the audit, gold, and labelling by hand."""
