"""What the mall costs: DynamoDB's request units, the server's CPU, the cold start."""
