"""The OpenAI Batch API in front of any endpoint: a file of requests in, a file of replies out."""
