"""What helps to write a pipeline: templates, built-in prompts, drafts of constitutions."""
