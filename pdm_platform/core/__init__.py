"""The domain, pure: it reads no file, no clock and no setting. What it needs comes in as arguments."""
