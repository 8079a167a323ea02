"""Wire formats, a module each: bytes ↔ named arrays. Pure functions; no HTTP status, no model is run here."""
