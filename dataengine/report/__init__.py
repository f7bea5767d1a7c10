"""What people look at: the report page of a run, its status, and one sample in full."""
