"""What the business is: applications, catalog, sections, certificates, dossiers. Standard library only."""
