"""Ports on AWS: rulesets in S3, results and the fleet's ledger in DynamoDB, queues in SQS."""
