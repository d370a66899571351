"""DynamoDB: tables, transactions, reads, cursors."""
