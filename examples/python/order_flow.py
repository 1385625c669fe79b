#!/usr/bin/python3
"""An order goes through a queue, and then through a queue into a function: Weir from Python, over gRPC.

    weir up                                     # in another terminal
    examples/python/generate_stubs.sh           # once
    /usr/bin/python3 examples/python/order_flow.py [QUEUE_ENDPOINT [RUNNER_ENDPOINT]]
"""
import os
import sys

# Where generate_stubs.sh puts them; WEIR_STUBS names another folder.
sys.path.insert(0, os.environ.get('WEIR_STUBS', os.path.join(os.path.dirname(__file__), 'generated')))

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from weir.queue.v1 import message_pb2, queue_pb2, queue_service_pb2, queue_service_pb2_grpc
from weir.runner.v1 import function_pb2, runner_service_pb2, runner_service_pb2_grpc

CONSUMER = b"""
def lambda_handler(event, context):
    for record in event['Records']:
        print(record['body'])
"""


def through_a_queue(queues):
    orders = queue_pb2.QueueRef(name='python-orders')
    # Creating a queue that is there already, with the same attributes, answers that queue.
    queues.CreateQueue(queue_service_pb2.CreateQueueRequest(
        queue=orders, attributes=queue_pb2.QueueAttributes(visibility_timeout=Duration(seconds=60))))

    sent = queues.SendMessage(queue_service_pb2.SendMessageRequest(
        queue=orders, message=message_pb2.OutgoingMessage(body='Order123')))
    print('sent', sent.message.message_id)

    # Waits for up to 5 seconds, and returns as soon as there is a message.
    received = queues.ReceiveMessages(queue_service_pb2.ReceiveMessagesRequest(
        queue=orders, max_messages=10, wait_time=Duration(seconds=5)), timeout=10)
    for message in received.messages:
        print('received', message.body, 'for the', f'{message.receive_count}. time')
        # Without this it would come again after the visibility timeout.
        queues.DeleteMessage(queue_service_pb2.DeleteMessageRequest(
            queue=orders, receipt_handle=message.receipt_handle))


def into_a_function(queues, functions):
    orders = queue_pb2.QueueRef(name='python-order-processing')
    consumer = function_pb2.FunctionRef(name='python-order-consumer')
    queue = queues.CreateQueue(queue_service_pb2.CreateQueueRequest(queue=orders)).queue

    runtimes = functions.ListRuntimes(runner_service_pb2.ListRuntimesRequest()).runtimes
    available = [runtime.name for runtime in runtimes if runtime.available]
    functions.DeployFunction(runner_service_pb2.DeployFunctionRequest(
        function=consumer,
        configuration=function_pb2.FunctionConfiguration(
            runtime='python3.12' if 'python3.12' in available else available[-1],
            handler='order_consumer.lambda_handler'),
        code=function_pb2.FunctionCode(
            inline_files=function_pb2.InlineFiles(files={'order_consumer.py': CONSUMER}))))
    try:
        functions.CreateEventSourceMapping(runner_service_pb2.CreateEventSourceMappingRequest(
            function=consumer, event_source_arn=queue.arn))
    except grpc.RpcError as error:
        # An earlier run has made it.
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise

    start = Timestamp()
    start.GetCurrentTime()
    queues.SendMessage(queue_service_pb2.SendMessageRequest(
        queue=orders, message=message_pb2.OutgoingMessage(body='Order123')))

    # Follows the log until the order is in it.
    log = functions.GetFunctionLogs(runner_service_pb2.GetFunctionLogsRequest(
        function=consumer, since=start, follow=True), timeout=30)
    for answer in log:
        for line in answer.lines:
            print('log:', line.text)
            if line.text == 'Order123':
                return


def main():
    queue_endpoint = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:7801'
    runner_endpoint = sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1:7802'
    with grpc.insecure_channel(queue_endpoint) as queue_channel, \
            grpc.insecure_channel(runner_endpoint) as runner_channel:
        queues = queue_service_pb2_grpc.QueueServiceStub(queue_channel)
        functions = runner_service_pb2_grpc.RunnerServiceStub(runner_channel)
        try:
            through_a_queue(queues)
            into_a_function(queues, functions)
        except grpc.RpcError as error:
            # Every error of Weir is a sentence that names the field, its value and what is allowed.
            sys.exit(f'{error.code().name}: {error.details()}')


if __name__ == '__main__':
    main()
