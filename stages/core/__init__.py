"""What every stage stands on: the records that flow, the stage protocol, the errors, the events."""
