#!/usr/bin/python3
"""SQS as clients of AWS use it: boto3 of Debian, which speaks the Query protocol, and the JSON protocol as newer ones send it.

  sqs_clients.py http://127.0.0.1:4566
"""

import base64
import hashlib
import http.client
import json
import sys
import threading
import unittest
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions

ENDPOINT = ""


def boto(access_key="test", region="us-east-1"):
    return boto3.client("sqs", endpoint_url=ENDPOINT, region_name=region, aws_access_key_id=access_key,
                        aws_secret_access_key="secret")


class JsonClient:
    """What a current SDK puts on the wire, over one connection that is kept alive."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc, timeout=60)

    def call(self, operation, **parameters):
        self.connection.request("POST", "/", json.dumps(parameters), {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + operation,
            "x-amzn-query-mode": "true"})
        response = self.connection.getresponse()
        body = response.read()
        return response.status, response.headers, json.loads(body) if body else {}


class SqsClients(unittest.TestCase):
    def setUp(self):
        self.sqs = boto()
        self.name = self.id().rsplit(".", 1)[1]
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]

    def tearDown(self):
        self.sqs.delete_queue(QueueUrl=self.url)

    def test_the_url_leads_back_to_where_the_client_came_from(self):
        self.assertEqual(self.url, f"{ENDPOINT}/000000000000/{self.name}")
        self.assertEqual(self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"], self.url)

    def test_a_message_with_attributes_goes_there_and_back(self):
        body = "\r\n<&\"é€😀"
        sent = self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes={
            "text": {"DataType": "String", "StringValue": "a b"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}})
        self.assertEqual(sent["MD5OfMessageBody"], hashlib.md5(body.encode()).hexdigest())
        received = self.sqs.receive_message(QueueUrl=self.url, AttributeNames=["All"], MessageAttributeNames=["All"])
        message = received["Messages"][0]
        self.assertEqual(message["Body"], body)
        self.assertEqual(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
        self.assertEqual(message["MessageAttributes"]["bytes"]["BinaryValue"], b"\x00\xff")
        self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=self.url))

    def test_batches(self):
        sent = self.sqs.send_message_batch(QueueUrl=self.url, Entries=[
            {"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b", "DelaySeconds": 901}])
        self.assertEqual([entry["Id"] for entry in sent["Successful"]], ["1"])
        self.assertEqual([entry["Code"] for entry in sent["Failed"]], ["InvalidParameterValue"])
        message = self.sqs.receive_message(QueueUrl=self.url)["Messages"][0]
        entries = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
        changed = self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=[{**entries[0], "VisibilityTimeout": 60}])
        self.assertEqual(changed["Successful"], [{"Id": "1"}])
        self.assertEqual(self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)["Successful"], [{"Id": "1"}])

    def test_attributes_and_tags(self):
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": "7"})
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        self.assertEqual(attributes["VisibilityTimeout"], "7")
        self.sqs.tag_queue(QueueUrl=self.url, Tags={"team": "shop"})
        self.assertEqual(self.sqs.list_queue_tags(QueueUrl=self.url)["Tags"], {"team": "shop"})

    def policy(self):
        """The document, over the Query protocol and over JSON."""
        by_query = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["Policy"]).get("Attributes", {})
        by_json = JsonClient().call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=["Policy"])[2].get("Attributes", {})
        self.assertEqual(by_query, by_json)
        return json.loads(by_query["Policy"]) if by_query else None

    def test_permissions_are_added_and_removed(self):
        self.assertIsNone(self.policy())
        self.sqs.add_permission(QueueUrl=self.url, Label="senders", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
        status, _, answer = JsonClient().call("AddPermission", QueueUrl=self.url, Label="workers", Actions=["*"],
                                              AWSAccountIds=["111122223333", "444455556666"])
        self.assertEqual((status, answer), (200, {}))
        statements = self.policy()["Statement"]
        self.assertEqual([statement["Sid"] for statement in statements], ["senders", "workers"])
        self.assertEqual(statements[0]["Action"], "SQS:SendMessage")
        self.assertEqual(statements[1]["Principal"]["AWS"], ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"])
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.sqs.add_permission(QueueUrl=self.url, Label="workers", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
        self.assertEqual(raised.exception.response["Error"]["Message"],
                         "Value workers for parameter Label is invalid. Reason: Already exists.")
        self.sqs.remove_permission(QueueUrl=self.url, Label="workers")
        self.sqs.remove_permission(QueueUrl=self.url, Label="senders")
        self.assertIsNone(self.policy())

    def test_a_policy_is_read_back_as_it_was_set(self):
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {"Version": "2012-10-17", "Statement": [{
            "Sid": "topics", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:000000000000:orders"}}}]}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})
        self.assertEqual(self.policy(), policy)
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": "nonsense"})
        self.assertEqual(raised.exception.response["Error"]["Code"], "InvalidAttributeValue")
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": ""})
        self.assertIsNone(self.policy())

    def test_errors_are_the_exceptions_of_the_client(self):
        with self.assertRaises(self.sqs.exceptions.QueueDoesNotExist) as raised:
            self.sqs.send_message(QueueUrl=f"{ENDPOINT}/000000000000/none", MessageBody="a")
        self.assertEqual(raised.exception.response["Error"]["Message"],
                         "The specified queue does not exist for this wsdl version.")
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=11)
        self.assertEqual(raised.exception.response["Error"]["Code"], "InvalidParameterValue")

    def test_pages(self):
        more = [self.sqs.create_queue(QueueName=f"{self.name}-{i}")["QueueUrl"] for i in range(4)]
        pages = self.sqs.get_paginator("list_queues").paginate(QueueNamePrefix=self.name, PaginationConfig={"PageSize": 2})
        self.assertEqual([len(page["QueueUrls"]) for page in pages], [2, 2, 1])
        for url in more:
            self.sqs.delete_queue(QueueUrl=url)

    def test_an_access_key_of_twelve_digits_is_the_account(self):
        other = boto("123456789012", "eu-west-1")
        url = other.create_queue(QueueName=self.name)["QueueUrl"]
        self.assertEqual(url, f"{ENDPOINT}/123456789012/{self.name}")
        attributes = other.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        self.assertEqual(attributes["QueueArn"], f"arn:aws:sqs:eu-west-1:123456789012:{self.name}")
        other.delete_queue(QueueUrl=url)

    def test_the_json_protocol(self):
        client = JsonClient()
        status, headers, sent = client.call("SendMessage", QueueUrl=self.url, MessageBody="Order123", MessageAttributes={
            "bytes": {"DataType": "Binary", "BinaryValue": base64.b64encode(b"\x00\xff").decode()}})
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.0")
        self.assertEqual(sent["MD5OfMessageBody"], hashlib.md5(b"Order123").hexdigest())
        _, _, received = client.call("ReceiveMessage", QueueUrl=self.url, MessageAttributeNames=["All"])
        message = received["Messages"][0]
        self.assertEqual(message["MessageAttributes"]["bytes"]["BinaryValue"], "AP8=")
        status, _, answer = client.call("DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        self.assertEqual((status, answer), (200, {}))
        status, headers, error = client.call("GetQueueUrl", QueueName="none")
        self.assertEqual(status, 400)
        self.assertEqual(headers["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender")
        self.assertEqual(error, {"__type": "com.amazonaws.sqs#QueueDoesNotExist",
                                 "message": "The specified queue does not exist."})

    def test_a_long_poll_ends_when_a_message_comes(self):
        received = []
        consumer = threading.Thread(target=lambda: received.append(JsonClient().call(
            "ReceiveMessage", QueueUrl=self.url, WaitTimeSeconds=20)[2]))
        consumer.start()
        self.sqs.send_message(QueueUrl=self.url, MessageBody="a")
        consumer.join(timeout=15)
        self.assertEqual(received[0]["Messages"][0]["Body"], "a")

    def test_a_url_with_an_action_is_enough(self):
        with urllib.request.urlopen(f"{self.url}?Action=SendMessage&MessageBody=by+GET") as response:
            self.assertIn(hashlib.md5(b"by GET").hexdigest(), response.read().decode())

    def test_health(self):
        with urllib.request.urlopen(f"{ENDPOINT}/_weir/health") as response:
            self.assertEqual(json.load(response), {"status": "ok", "services": ["sqs"]})


if __name__ == "__main__":
    ENDPOINT = sys.argv.pop()
    unittest.main()
