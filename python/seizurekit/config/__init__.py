"""Configurations: their sections, and how they are read."""

from seizurekit.config.load import load_config as load_config
from seizurekit.config.sections import CacheConfig as CacheConfig
from seizurekit.config.sections import ChangesOnResume as ChangesOnResume
from seizurekit.config.sections import CheckpointsConfig as CheckpointsConfig
from seizurekit.config.sections import Config as Config
from seizurekit.config.sections import DetectionConfig as DetectionConfig
from seizurekit.config.sections import LoaderConfig as LoaderConfig
from seizurekit.config.sections import ModelConfig as ModelConfig
from seizurekit.config.sections import Section as Section
from seizurekit.config.sections import TelemetryConfig as TelemetryConfig
from seizurekit.config.sections import TrainingConfig as TrainingConfig
from seizurekit.config.sections import ValidationConfig as ValidationConfig
from seizurekit.config.sections import WandbConfig as WandbConfig
