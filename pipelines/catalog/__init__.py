"""The stage that catalogues clips."""
