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


def fetch_json(key, secret, operation, parameters):
    request = botocore.awsrequest.AWSRequest("POST", ENDPOINT + "/", data=json.dumps(parameters), headers={
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + operation})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), "sqs", "eu-west-1").add_auth(request)
    return fetch(urllib.request.Request(request.url, request.body.encode() if isinstance(request.body, str) else request.body,
                                        dict(request.headers.items())))


class ClientsTest(unittest.TestCase):
    def refused(self, call, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        response = caught.exception.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


class Signatures(ClientsTest):
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

    def test_presigned_urls(self):
        sqs = boto(KEYS[0], KEYS[1])
        url = sqs.generate_presigned_url("list_queues", Params={"QueueNamePrefix": "a b+"}, ExpiresIn=60, HttpMethod="GET")
        self.assertEqual(fetch(url)[0], 200)
        status, _, body = fetch(url.replace("QueueNamePrefix=a", "QueueNamePrefix=c"))
        self.assertEqual(status, 403)
        self.assertIn("<Code>SignatureDoesNotMatch</Code>", body)

    def json(self, secret):
        return fetch_json(KEYS[0], secret, "ListQueues", {})

    def test_the_json_protocol(self):
        self.assertEqual(self.json(KEYS[1])[0], 200)
        status, headers, body = self.json("wrong")
        self.assertEqual(status, 403)
        self.assertEqual(headers["x-amzn-query-error"], "SignatureDoesNotMatch;Sender")
        self.assertEqual(json.loads(body)["__type"], "com.amazon.coral.service#InvalidSignatureException")

    def test_health_needs_no_signature(self):
        self.assertEqual(fetch(ENDPOINT + "/_weir/health")[0], 200)


class QueuesOfOthers(ClientsTest):
    """The queue is the first account's; the second calls."""

    def setUp(self):
        self.owner, self.other = boto(KEYS[0], KEYS[1]), boto(KEYS[2], KEYS[3])
        self.name = self.id().rsplit(".", 1)[1].replace("_", "-")
        self.url = self.owner.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = "arn:aws:sqs:eu-west-1:111122223333:" + self.name

    def send(self):
        return self.other.send_message(QueueUrl=self.url, MessageBody="b")

    def set_policy(self, *statements):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Principal": {"AWS": "444455556666"}, "Resource": self.arn, **each}
                                                                    for each in statements]}) if statements else ""
        self.owner.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def test_are_refused(self):
        status, code, message = self.refused(self.send)
        self.assertEqual((status, code), (403, "AccessDenied"))
        self.assertEqual(message, "User: arn:aws:iam::444455556666:root is not authorized to perform: sqs:sendmessage on resource: " +
                         self.arn + " because no resource-based policy allows the sqs:sendmessage action")
        self.assertEqual(self.refused(self.other.send_message, QueueUrl=self.url + "-not", MessageBody="b")[:2], (403, "AccessDenied"))

    def test_a_permission_opens_one_action(self):
        self.owner.add_permission(QueueUrl=self.url, Label="send", AWSAccountIds=["444455556666"], Actions=["SendMessage"])
        self.send()
        batch = [{"Id": str(i), "MessageBody": "b"} for i in range(3)]
        self.assertEqual(len(self.other.send_message_batch(QueueUrl=self.url, Entries=batch)["Successful"]), 3)
        self.assertEqual(self.refused(self.other.receive_message, QueueUrl=self.url)[:2], (403, "AccessDenied"))
        self.assertEqual(self.refused(self.other.delete_queue, QueueUrl=self.url)[:2], (403, "AccessDenied"))
        self.owner.remove_permission(QueueUrl=self.url, Label="send")
        self.assertEqual(self.refused(self.send)[:2], (403, "AccessDenied"))

    def test_a_deny_wins(self):
        self.set_policy({"Effect": "Allow", "Action": "sqs:*"}, {"Effect": "Deny", "Action": "sqs:SendMessage"})
        status, code, message = self.refused(self.send)
        self.assertEqual((status, code), (403, "AccessDenied"))
        self.assertTrue(message.endswith("with an explicit deny in a resource-based policy"), message)
        self.other.receive_message(QueueUrl=self.url)
        self.owner.send_message(QueueUrl=self.url, MessageBody="b")
        self.set_policy()
        self.assertEqual(self.refused(self.other.receive_message, QueueUrl=self.url)[:2], (403, "AccessDenied"))

    def test_are_found_and_used_where_the_policy_says_so(self):
        find = dict(QueueName=self.name, QueueOwnerAWSAccountId="111122223333")
        status, code, message = self.refused(self.other.get_queue_url, **find)
        self.assertEqual((status, code), (400, "AWS.SimpleQueueService.NonExistentQueue"))
        self.assertEqual(message, "The specified queue does not exist or you do not have access to it.")
        self.set_policy({"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
                         "Condition": {"StringLike": {"aws:UserAgent": "Boto3/*"}, "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}})
        url = self.other.get_queue_url(**find)["QueueUrl"]
        self.assertEqual(url, self.url)
        self.owner.send_message(QueueUrl=url, MessageBody="b")
        message = self.other.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]
        self.other.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def test_conditions_are_kept(self):
        for condition in ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, {"Bool": {"aws:SecureTransport": "true"}},
                          {"DateLessThan": {"aws:CurrentTime": "2020-01-01"}}):
            self.set_policy({"Effect": "Allow", "Action": "sqs:SendMessage", "Condition": condition})
            self.assertEqual(self.refused(self.send)[:2], (403, "AccessDenied"), condition)

    def test_over_json(self):
        message = {"QueueUrl": self.url, "MessageBody": "b"}
        status, headers, body = fetch_json(KEYS[2], KEYS[3], "SendMessage", message)
        self.assertEqual((status, headers["x-amzn-query-error"]), (403, "AccessDenied;Sender"))
        self.assertTrue(json.loads(body)["__type"].endswith("#AccessDeniedException"), body)
        self.set_policy({"Effect": "Allow", "Action": "sqs:SendMessage"})
        self.assertEqual(fetch_json(KEYS[2], KEYS[3], "SendMessage", message)[0], 200)


if __name__ == "__main__":
    ENDPOINT, KEYS = sys.argv[1], sys.argv[2:8]
    unittest.main(argv=sys.argv[:1], verbosity=2)
