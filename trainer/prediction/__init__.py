"""Classification of many images: which files, by which engine, into which file."""
