"""Shows which parts of an image an exported model's answer draws on."""
