"""From images and tables to what models read: components, task maps, volumes, splits."""
