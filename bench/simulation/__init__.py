"""A flash sale as discrete events, by measured touches and the code's own rules."""
