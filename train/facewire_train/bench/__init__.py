"""The comparison with MediaPipe: one clip, one machine, one run."""
