"""One worker: get, process, put."""
