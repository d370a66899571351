"""What is known of a member is found out from what other wings keep."""
