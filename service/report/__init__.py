"""The report of a run: figures gathered in one pass over the ledger, and one page that shows them."""
