"""Writes each order's id to a file, then works on for a moment, so that kills meet it at work."""
import os
import time


def lambda_handler(event, context):
    for record in event['Records']:
        with open(os.environ['ORDERS_FILE'], 'a') as orders:
            orders.write(record['body'] + '\n')
        time.sleep(0.02)
