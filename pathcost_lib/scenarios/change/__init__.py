"""What could be done: who saves, who bears, what is released, paid and worth."""
