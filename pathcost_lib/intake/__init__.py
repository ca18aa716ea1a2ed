"""An analyst's own files and databases become our tables: read, mapped, checked, pseudonymised at the door."""
