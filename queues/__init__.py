"""What waits and what lasts: bounded queues, admission to an endpoint, and the ledger. Imports nothing of ours."""
