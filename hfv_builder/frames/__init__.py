"""From a media file to frames: opening, decoding, choosing, checking and resizing."""
