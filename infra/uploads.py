"""The bucket of uploaded files: private until something uses them, and what is public readable by everybody.

Objects are public by where they lie (`public/`, by the bucket's policy), never by a list of their own. What lies in
`private/` goes after two days, should a job have missed it.
"""

from __future__ import annotations

from typing import Any

from chalicelib.gateways.objects.store import PRIVATE, PUBLIC

Json = dict[str, Any]

BUCKET = "UploadsBucket"
_KEPT = "Retain"
_PRIVATE_DAYS = 2


def resources() -> Json:
    """The bucket and its policy, by their logical ids."""
    return {
        BUCKET: {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": _KEPT,
            "UpdateReplacePolicy": _KEPT,
            "Properties": {
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        # With a key of KMS's nobody could read what is public.
                        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                    ]
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": False,
                    "RestrictPublicBuckets": False,
                },
                # An operator's browser posts forms; what a form may do is signed.
                "CorsConfiguration": {
                    "CorsRules": [{"AllowedMethods": ["POST"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}]
                },
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "private",
                            "Status": "Enabled",
                            "Prefix": PRIVATE,
                            "ExpirationInDays": _PRIVATE_DAYS,
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                        }
                    ]
                },
            },
        },
        f"{BUCKET}Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": BUCKET},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [_everybody_reads(), _only_tls()]},
            },
        },
    }


def arn(below: str = "") -> Json:
    """The ARN of the bucket, or of what lies below a prefix ("public/")."""
    return {"Fn::Sub": f"${{{BUCKET}.Arn}}/{below}*"} if below else {"Fn::GetAtt": [BUCKET, "Arn"]}


def _everybody_reads() -> Json:
    return {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn(PUBLIC)}


def _only_tls() -> Json:
    everything = [arn(), {"Fn::Sub": f"${{{BUCKET}.Arn}}/*"}]
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything, "Condition": plain}
