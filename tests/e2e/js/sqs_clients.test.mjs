// SQS as JavaScript uses it: AWS's SDK v3, which speaks JSON and compares every MD5, and sqs-consumer, which stands for the workers that are
// built on it.
//
//   WEIR_GATEWAY=http://127.0.0.1:4566 node --test sqs_clients.test.mjs
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";

import * as sqs from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const endpoint = process.env.WEIR_GATEWAY;
assert.ok(endpoint, "WEIR_GATEWAY must be the gateway's URL");

const client = new sqs.SQSClient({
  endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" }, maxAttempts: 1,
});
const ask = (command, input) => client.send(new sqs[`${command}Command`](input));

let queues = 0;
async function newQueue(t, attributes = {}, suffix = "") {
  const { QueueUrl } = await ask("CreateQueue", { QueueName: `js-${++queues}${suffix}`, Attributes: attributes });
  t.after(() => ask("DeleteQueue", { QueueUrl }));
  return QueueUrl;
}
const arnOf = async (QueueUrl) => (await ask("GetQueueAttributes", { QueueUrl, AttributeNames: ["QueueArn"] })).Attributes.QueueArn;
const receive = async (QueueUrl, more = {}) => (await ask("ReceiveMessage", { QueueUrl, ...more })).Messages;

after(() => client.destroy());

test("a message with attributes goes there and back", async (t) => {
  const QueueUrl = await newQueue(t);
  const MessageBody = "\r\n<&\"é€😀";
  const sent = await ask("SendMessage", {
    QueueUrl, MessageBody, MessageAttributes: {
      text: { DataType: "String", StringValue: "a b" }, number: { DataType: "Number.int", StringValue: "7" },
      bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) },
    },
  });
  const [message] = await receive(QueueUrl, { MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"] });
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.Body, MessageBody);
  assert.deepEqual([...message.MessageAttributes.bytes.BinaryValue], [0, 255]);
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  await ask("DeleteMessage", { QueueUrl, ReceiptHandle: message.ReceiptHandle });
  assert.equal(await receive(QueueUrl), undefined, "no Messages where there is none");
});

test("batches tell what failed", async (t) => {
  const QueueUrl = await newQueue(t);
  const sent = await ask("SendMessageBatch", { QueueUrl, Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2", DelaySeconds: 901 }] });
  assert.deepEqual(sent.Successful.map((entry) => entry.Id), ["a"]);
  assert.deepEqual(sent.Failed.map((entry) => [entry.Id, entry.Code, entry.SenderFault]), [["b", "InvalidParameterValue", true]]);
  const [message] = await receive(QueueUrl);
  const entry = { Id: "a", ReceiptHandle: message.ReceiptHandle };
  const changed = await ask("ChangeMessageVisibilityBatch", { QueueUrl, Entries: [{ ...entry, VisibilityTimeout: 60 }] });
  assert.deepEqual(changed.Successful, [{ Id: "a" }]);
  const deleted = await ask("DeleteMessageBatch", { QueueUrl, Entries: [entry] });
  assert.deepEqual(deleted.Successful, [{ Id: "a" }]);
});

test("errors are the SDK's classes", async () => {
  const missing = { QueueUrl: `${endpoint}/000000000000/js-missing` };
  await assert.rejects(ask("SendMessage", { ...missing, MessageBody: "x" }), (error) => {
    assert.ok(error instanceof sqs.QueueDoesNotExist);
    assert.equal(error.message, "The specified queue does not exist.");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.equal(error.Code, "AWS.SimpleQueueService.NonExistentQueue");
    return true;
  });
  await assert.rejects(ask("CreateQueue", { QueueName: "not a name" }), { name: "InvalidParameterValue" });
});

test("queues: attributes, pages, tags, purge", async (t) => {
  const QueueUrl = await newQueue(t, { VisibilityTimeout: "45" });
  await newQueue(t);
  await ask("SetQueueAttributes", { QueueUrl, Attributes: { DelaySeconds: "3" } });
  const { Attributes } = await ask("GetQueueAttributes", { QueueUrl, AttributeNames: ["All"] });
  assert.deepEqual([Attributes.VisibilityTimeout, Attributes.DelaySeconds], ["45", "3"]);
  const found = [];
  for await (const page of sqs.paginateListQueues({ client, pageSize: 1 }, { QueueNamePrefix: "js-" })) {
    assert.ok((page.QueueUrls ?? []).length <= 1);
    found.push(...(page.QueueUrls ?? []));
  }
  assert.ok(found.includes(QueueUrl));
  await ask("TagQueue", { QueueUrl, Tags: { team: "shop", env: "test" } });
  await ask("UntagQueue", { QueueUrl, TagKeys: ["env"] });
  assert.deepEqual((await ask("ListQueueTags", { QueueUrl })).Tags, { team: "shop" });
  await ask("SendMessage", { QueueUrl, MessageBody: "x", DelaySeconds: 0 });
  await ask("PurgeQueue", { QueueUrl });
  assert.equal(await receive(QueueUrl), undefined);
});

test("permissions are statements of the policy", async (t) => {
  const QueueUrl = await newQueue(t);
  const policyOf = async () => (await ask("GetQueueAttributes", { QueueUrl, AttributeNames: ["Policy"] })).Attributes?.Policy;
  const permission = { QueueUrl, Label: "senders", AWSAccountIds: ["111122223333"], Actions: ["SendMessage"] };
  await ask("AddPermission", permission);
  const policy = JSON.parse(await policyOf());
  assert.deepEqual(policy.Statement.map(({ Sid, Action }) => [Sid, Action]), [["senders", "SQS:SendMessage"]]);
  await assert.rejects(ask("AddPermission", permission), {
    name: "InvalidParameterValue", message: "Value senders for parameter Label is invalid. Reason: Already exists.",
  });
  await ask("RemovePermission", { QueueUrl, Label: "senders" });
  assert.equal(await policyOf(), undefined);
  const Policy = JSON.stringify(policy);
  await ask("SetQueueAttributes", { QueueUrl, Attributes: { Policy } });
  assert.equal(await policyOf(), Policy);
  await ask("SetQueueAttributes", { QueueUrl, Attributes: { Policy: "" } });
  assert.equal(await policyOf(), undefined);
});

test("FIFO: order, groups, deduplication", async (t) => {
  const QueueUrl = await newQueue(t, { FifoQueue: "true", ContentBasedDeduplication: "true" }, ".fifo");
  const send = (MessageBody) => ask("SendMessage", { QueueUrl, MessageBody, MessageGroupId: "g" });
  const first = await send("1");
  await send("2");
  assert.equal((await send("1")).MessageId, first.MessageId, "the duplicate is answered with the first");
  const messages = await receive(QueueUrl, { MaxNumberOfMessages: 10, MessageSystemAttributeNames: ["SequenceNumber"] });
  assert.deepEqual(messages.map((message) => message.Body), ["1", "2"]);
  assert.equal(messages[0].Attributes.SequenceNumber, first.SequenceNumber);
});

test("dead letters are redriven", async (t) => {
  const deadLetters = await newQueue(t);
  const QueueUrl = await newQueue(t, {
    VisibilityTimeout: "0", RedrivePolicy: JSON.stringify({ deadLetterTargetArn: await arnOf(deadLetters), maxReceiveCount: 1 }),
  });
  assert.deepEqual((await ask("ListDeadLetterSourceQueues", { QueueUrl: deadLetters })).queueUrls, [QueueUrl]);
  await ask("SendMessage", { QueueUrl, MessageBody: "Order123" });
  await receive(QueueUrl);
  assert.equal(await receive(QueueUrl), undefined, "the second receive moves it");
  const SourceArn = await arnOf(deadLetters);
  await ask("StartMessageMoveTask", { SourceArn });
  const [message] = await receive(QueueUrl, { WaitTimeSeconds: 20 });
  assert.equal(message.Body, "Order123");
  await ask("ListMessageMoveTasks", { SourceArn });
});

test("a long poll ends with the message", async (t) => {
  const QueueUrl = await newQueue(t);
  const waiting = receive(QueueUrl, { WaitTimeSeconds: 20 });
  await ask("SendMessage", { QueueUrl, MessageBody: "at last" });
  assert.equal((await waiting)[0].Body, "at last");
});

test("sqs-consumer handles all, failures again", async (t) => {
  const QueueUrl = await newQueue(t, { VisibilityTimeout: "30" });
  const tries = new Map();
  const consumer = Consumer.create({
    sqs: client, queueUrl: QueueUrl, batchSize: 10, waitTimeSeconds: 20, terminateVisibilityTimeout: true,
    messageSystemAttributeNames: ["ApproximateReceiveCount"],
    handleMessage: async (message) => {
      tries.set(message.Body, Number(message.Attributes.ApproximateReceiveCount));
      if (message.Body === "fails once" && tries.get(message.Body) === 1) throw new Error("not yet");
      return message;
    },
  });
  const errors = [];
  consumer.on("error", (error) => errors.push(error));
  consumer.on("processing_error", () => {});
  consumer.start();
  const bodies = ["a", "b", "fails once"];
  let processed = 0;
  const done = new Promise((resolve) => consumer.on("message_processed", () => ++processed === bodies.length && resolve()));
  for (const MessageBody of bodies) await ask("SendMessage", { QueueUrl, MessageBody });
  await done;
  const stopped = once(consumer, "stopped");
  consumer.stop({ abort: true });
  await stopped;
  assert.deepEqual(errors, []);
  assert.deepEqual(Object.fromEntries(tries), { a: 1, b: 1, "fails once": 2 });
  const { Attributes } = await ask("GetQueueAttributes", { QueueUrl, AttributeNames: ["All"] });
  assert.equal(Attributes.ApproximateNumberOfMessages, "0");
  assert.equal(Attributes.ApproximateNumberOfMessagesNotVisible, "0");
});
