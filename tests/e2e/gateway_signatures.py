#!/usr/bin/python3
"""Signatures as boto3 makes them, right and wrong ones.

  gateway_signatures.py http://127.0.0.1:4566 KEY SECRET OTHER_KEY OTHER_SECRET DISABLED_KEY DISABLED_SECRET
"""

import json
import sys
import unittest
import urllib.error
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions

ENDPOINT, KEYS = "", []


def boto(key, secret, **more):
    return boto3.client("sqs", endpoint_url=ENDPOINT, region_name="eu-west-1", aws_access_key_id=key, aws_secret_access_key=secret,
                        config=botocore.config.Config(retries={"max_attempts": 0}, **more))


def fetch(request):
    """Status, headers, body."""
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


class Signatures(unittest.TestCase):
    def refused(self, call, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        response = caught.exception.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]

    def test_the_account_is_the_keys(self):
        sqs = boto(KEYS[0], KEYS[1])
        url = sqs.create_queue(QueueName="own")["QueueUrl"]
        self.assertTrue(url.endswith("/111122223333/own"), url)
        body = "ä + b & c=%20"
        sqs.send_message(QueueUrl=url, MessageBody=body)
        self.assertEqual(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"], body)

    def test_wrong_signatures(self):
        self.assertEqual(self.refused(boto(KEYS[0], "wrong").list_queues)[:2], (403, "SignatureDoesNotMatch"))
        self.assertEqual(self.refused(boto("AKIAAAAAAAAAAAAAAAAA", KEYS[1]).list_queues)[:2], (403, "InvalidClientTokenId"))
        self.assertEqual(self.refused(boto(KEYS[4], KEYS[5]).list_queues)[:2], (403, "InvalidClientTokenId"))
        unsigned = boto(KEYS[0], KEYS[1], signature_version=botocore.UNSIGNED)
        self.assertEqual(self.refused(unsigned.list_queues)[:2], (403, "MissingAuthenticationToken"))

    def test_queues_of_others_are_refused(self):
        url = boto(KEYS[0], KEYS[1]).create_queue(QueueName="theirs")["QueueUrl"]
        status, code, message = self.refused(boto(KEYS[2], KEYS[3]).send_message, QueueUrl=url, MessageBody="b")
        self.assertEqual((status, code), (403, "AccessDenied"))
        self.assertEqual(message, "User: arn:aws:iam::444455556666:root is not authorized to perform: sqs:sendmessage on resource: "
                         "arn:aws:sqs:eu-west-1:111122223333:theirs because no resource-based policy allows the sqs:sendmessage action")

    def test_presigned_urls(self):
        sqs = boto(KEYS[0], KEYS[1])
        url = sqs.generate_presigned_url("list_queues", Params={"QueueNamePrefix": "a b+"}, ExpiresIn=60, HttpMethod="GET")
        self.assertEqual(fetch(url)[0], 200)
        status, _, body = fetch(url.replace("QueueNamePrefix=a", "QueueNamePrefix=c"))
        self.assertEqual(status, 403)
        self.assertIn("<Code>SignatureDoesNotMatch</Code>", body)

    def json(self, secret):
        request = botocore.awsrequest.AWSRequest("POST", ENDPOINT + "/", data=json.dumps({}), headers={
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEYS[0], secret), "sqs", "eu-west-1").add_auth(request)
        return fetch(urllib.request.Request(request.url, request.body.encode() if isinstance(request.body, str) else request.body,
                                            dict(request.headers.items())))

    def test_the_json_protocol(self):
        self.assertEqual(self.json(KEYS[1])[0], 200)
        status, headers, body = self.json("wrong")
        self.assertEqual(status, 403)
        self.assertEqual(headers["x-amzn-query-error"], "SignatureDoesNotMatch;Sender")
        self.assertEqual(json.loads(body)["__type"], "com.amazon.coral.service#InvalidSignatureException")

    def test_health_needs_no_signature(self):
        self.assertEqual(fetch(ENDPOINT + "/_weir/health")[0], 200)


if __name__ == "__main__":
    ENDPOINT, KEYS = sys.argv[1], sys.argv[2:8]
    unittest.main(argv=sys.argv[:1], verbosity=2)
