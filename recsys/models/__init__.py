"""The models: one file each, with its typed settings."""
