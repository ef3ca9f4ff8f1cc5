"""What a training run leaves behind, and how it resumes."""
