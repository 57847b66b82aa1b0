"""What people and programs read: console, tables, JSON."""
