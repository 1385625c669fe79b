#!/usr/bin/python3
"""A thousand orders over a stream, and back over another one.

    weir up                                     # in another terminal
    examples/python/generate_stubs.sh           # once
    /usr/bin/python3 examples/python/streams.py [QUEUE_ENDPOINT]
"""
import os
import queue
import sys

# Where generate_stubs.sh puts them; WEIR_STUBS names another folder.
sys.path.insert(0, os.environ.get('WEIR_STUBS', os.path.join(os.path.dirname(__file__), 'generated')))

import grpc
from weir.queue.v1 import message_pb2, queue_pb2, queue_service_pb2, queue_service_pb2_grpc, stream_pb2

ORDERS = 1000


def produce(queues, orders):
    def requests():
        yield stream_pb2.ProduceRequest(start=stream_pb2.ProduceStart(queue=orders, omit_md5=True))
        for first in range(0, ORDERS, 100):
            yield stream_pb2.ProduceRequest(messages=[
                message_pb2.OutgoingMessage(body=f'Order{number}') for number in range(first, first + 100)])

    for response in queues.Produce(requests()):
        for number, result in enumerate(response.results, start=response.first_number):
            if result.HasField('failure'):
                print('message', number, 'was not sent:', result.failure.message)


def consume(queues, orders):
    # What is put here goes to the service; None closes the stream.
    requests = queue.Queue()
    requests.put(stream_pb2.ConsumeRequest(
        start=stream_pb2.ConsumeStart(queue=orders, omit_md5=True), add_credit=200))
    deleted = 0
    for response in queues.Consume(iter(requests.get, None)):
        ids = [delivery.delivery_id for delivery in response.deliveries]
        if ids:
            # Deletes them, and lets as many more come.
            requests.put(stream_pb2.ConsumeRequest(delete=ids, add_credit=len(ids)))
        deleted += len(response.deleted)
        if deleted == ORDERS:
            requests.put(None)
    print('consumed', deleted)


def main():
    endpoint = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:7801'
    with grpc.insecure_channel(endpoint) as channel:
        queues = queue_service_pb2_grpc.QueueServiceStub(channel)
        orders = queue_pb2.QueueRef(name='python-streams')
        try:
            queues.CreateQueue(queue_service_pb2.CreateQueueRequest(queue=orders))
            produce(queues, orders)
            consume(queues, orders)
        except grpc.RpcError as error:
            # Every error of Weir is a sentence that names the field, its value and what is allowed.
            sys.exit(f'{error.code().name}: {error.details()}')


if __name__ == '__main__':
    main()
