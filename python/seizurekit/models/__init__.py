"""Detectors: networks from windows of EEG to a seizure logit for every sample."""
