"""What a message had taken before its call is given back."""
