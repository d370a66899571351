"""How often, when and by what media members may be written to: settings of the merchant."""
