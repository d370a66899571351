"""SMS by the server of one vendor, Tencent Cloud or Aliyun: `service` sends, `reports` reads receipts and replies.

Imported by who needs them.
"""
