"""What the trained model has to do, whatever its parameters."""
