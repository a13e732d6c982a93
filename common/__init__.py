"""The ground that all packages stand on: errors, options, fingerprints, locks."""
