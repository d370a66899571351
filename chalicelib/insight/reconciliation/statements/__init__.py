"""WeChat's bills, by our numbers."""
