"""From a float checkpoint to an int8 TFLite model, with the gate that proves nothing was lost."""
