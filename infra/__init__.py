"""What is deployed around the code: the template, the alarms, the first operator."""
