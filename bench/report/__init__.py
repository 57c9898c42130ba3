"""How it is told: tables and charts for a terminal, a document and a script."""
