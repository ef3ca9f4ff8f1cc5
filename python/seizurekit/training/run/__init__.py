"""The folder of a training run: its output files, and how a run resumes from them."""
