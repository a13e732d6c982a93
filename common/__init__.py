"""Code that all packages use: errors, options, fingerprints, locks."""
