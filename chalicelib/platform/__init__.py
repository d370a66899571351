"""What every wing stands on: DynamoDB, the HTTP edge, durable jobs. Knows no business."""
