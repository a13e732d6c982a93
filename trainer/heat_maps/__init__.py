"""Shows on which parts of an image the prediction of an exported model depends."""
