"""Recordings on disk: EDF files, seizure annotations, channel names, and folders of recordings."""
