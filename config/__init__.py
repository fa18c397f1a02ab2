"""What the person wrote, as frozen values: pipeline.yaml read, checked and filled in. Imports nothing else of tamis."""
