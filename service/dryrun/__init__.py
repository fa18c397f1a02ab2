"""What a run will take and do, before it is paid for: estimate and preview."""
