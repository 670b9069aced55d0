"""What the detector needs from outside of the engine: files, runtimes, child processes, numpy, training.

``opening.build_detector`` is the door: it puts a detector together from what is there, and says what is not.
"""
