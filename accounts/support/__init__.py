"""Our staff: who they are, what they may do, and how a customer lets them look."""
