"""What the stack of real servers needs: secrets, certificates, broker access, the store made ready."""
