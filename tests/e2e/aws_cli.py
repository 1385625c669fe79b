#!/usr/bin/python3
"""SQS as the aws CLI uses it, with every aws that is in PATH: Debian's speaks the Query protocol, a current one JSON.

  aws_cli.py http://127.0.0.1:4566
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

ENDPOINT = ""


def every_aws():
    """Programs by what they call themselves; one that is reached by several names counts once."""
    found = {}
    for folder in os.environ["PATH"].split(os.pathsep):
        program = pathlib.Path(folder) / "aws"
        if program.is_file() and os.access(program, os.X_OK):
            done = subprocess.run([program, "--version"], capture_output=True, text=True)
            if done.returncode == 0:
                found.setdefault(done.stdout.split()[0], program)
    return found


class AwsCli(unittest.TestCase):
    def aws(self, *words):
        done = subprocess.run([self.program, "--endpoint-url", ENDPOINT, "--output", "json", "sqs", *words],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def test_an_order_goes_there_and_back(self):
        versions = every_aws()
        self.assertTrue(versions, "there is no aws in PATH")
        for version, self.program in versions.items():
            with self.subTest(version):
                print(f"with {version}", file=sys.stderr)
                self.go_there_and_back()

    def go_there_and_back(self):
        url = self.aws("create-queue", "--queue-name", "by-cli", "--attributes", "VisibilityTimeout=45")["QueueUrl"]
        self.assertEqual(url, f"{ENDPOINT}/000000000000/by-cli")
        sent = self.aws("send-message", "--queue-url", url, "--message-body", "Order123", "--message-attributes",
                        '{"kind": {"DataType": "String", "StringValue": "order"}}')
        received = self.aws("receive-message", "--queue-url", url, "--attribute-names", "All", "--message-attribute-names", "All",
                            "--wait-time-seconds", "20")["Messages"]
        self.assertEqual([message["MessageId"] for message in received], [sent["MessageId"]])
        self.assertEqual(received[0]["Body"], "Order123")
        self.assertEqual(received[0]["MessageAttributes"]["kind"]["StringValue"], "order")
        self.assertEqual(received[0]["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
        self.assertEqual(self.aws("delete-message", "--queue-url", url, "--receipt-handle", received[0]["ReceiptHandle"]), {})
        self.assertEqual(self.aws("receive-message", "--queue-url", url), {})
        attributes = self.aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
        self.assertEqual((attributes["VisibilityTimeout"], attributes["ApproximateNumberOfMessages"]), ("45", "0"))
        self.assertEqual(self.aws("list-queues", "--queue-name-prefix", "by-cli")["QueueUrls"], [url])
        self.assertEqual(self.aws("add-permission", "--queue-url", url, "--label", "senders", "--aws-account-ids",
                                  "111122223333", "--actions", "SendMessage"), {})
        policy = self.aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "Policy")["Attributes"]["Policy"]
        self.assertEqual(json.loads(policy)["Statement"][0]["Sid"], "senders")
        self.assertEqual(self.aws("remove-permission", "--queue-url", url, "--label", "senders"), {})
        self.assertEqual(self.aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "Policy"), {})
        self.assertEqual(self.aws("delete-queue", "--queue-url", url), {})
        refused = self.aws("send-message", "--queue-url", url, "--message-body", "late")
        self.assertIn("(AWS.SimpleQueueService.NonExistentQueue) when calling the SendMessage operation: "
                      "The specified queue does not exist", refused)


if __name__ == "__main__":
    ENDPOINT = sys.argv.pop(1)
    unittest.main(verbosity=2)
