"""The questions of ``speed.py``, one a file, and in `timing` what they share."""
