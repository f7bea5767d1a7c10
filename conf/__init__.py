"""What people edit: profiles, filters, training presets, the loop, the cluster. Read as package data."""
