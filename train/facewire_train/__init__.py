"""The workstation: labelled faces to a trained model and its evaluation."""
