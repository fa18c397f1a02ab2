"""The service: jobs over HTTP for several tenants, over shared gates."""
