"""`tamis simulate`: an OpenAI-compatible endpoint with known truth, for dry runs and for tests.

What it says is a function of its seed and the request's body alone, never of the order in which requests arrive; how it
fails is a function of the body and of how often that body has arrived, so a retry can succeed.
"""
