"""Examples -> batches, and augmentation."""
