"""Recordings as they lie on disk: EDF files, seizure annotations, channel names, and the corpora they form."""
