"""Events in a bucket of the merchant's own, for engines that ask what nobody foresaw."""
