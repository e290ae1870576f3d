"""A project as it is becomes a workspace: its layout, what makes its model, the files that say so."""
