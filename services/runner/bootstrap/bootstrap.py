"""Runs a Python function: fetches events from the runner's Lambda Runtime API, calls the handler, posts what it returns.

Embedded in the runner and written to its data directory at start. Python 3.8 or later, standard library only. It speaks HTTP by
hand over one kept connection, because http.client costs 15 ms of imports at a cold start; and it sends an answer together
with the request for the next event, which saves a round trip per invocation.

    bootstrap.py            run the function that the environment names (_HANDLER, LAMBDA_TASK_ROOT, ...)
    bootstrap.py --probe    print the interpreter's version
"""

import sys

if sys.argv[1:] == ["--probe"]:
    print("%d.%d.%d" % sys.version_info[:3])
    sys.exit(0)

import json
import logging
import os
import socket
import time
import traceback

API = "/2018-06-01/runtime/"
RESPONSE_BYTES_MAX = 6 * 1024 * 1024


class Connection:
    """The one connection to the runner. Its end means that the runner has no more use for this process."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.host = address
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb", 64 * 1024)

    def request(self, method, path, body=b"", headers=""):
        length = "Content-Length: %d\r\n" % len(body) if method == "POST" else ""
        head = "%s %s%s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n" % (method, API, path, self.host, length, headers)
        return head.encode("ascii") + body

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next answer: status, headers with lower-case names, body."""
        line = self.reader.readline()
        if not line:
            raise ConnectionError("the runner closed the connection")
        status = int(line.split(None, 2)[1])
        headers = {}
        while True:
            line = self.reader.readline()
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return status, headers, self.reader.read(int(headers.get("content-length", "0")))


class Context:
    """What the handler gets as its second argument."""

    identity = None
    client_context = None

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        return "LambdaContext([aws_request_id=%s,function_name=%s])" % (self.aws_request_id, self.function_name)


class Failure(Exception):
    """A problem that has one of Lambda's error types."""

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = list(trace)


request_id = ""


class RequestIdFilter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = request_id
        return True


def set_up_logging():
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RequestIdFilter())
    logging.getLogger().addHandler(handler)


def text_of(value):
    try:
        return str(value)
    except BaseException:
        return "<unprintable %s>" % type(value).__name__


def trace_of(error):
    """The stack trace without the frames of this file."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        own = os.path.abspath(__file__)
        while frames and os.path.abspath(frames[0].filename) == own:
            frames.pop(0)
        # importlib's frames stand between us and the module.
        while frames and frames[0].filename.startswith("<frozen importlib"):
            frames.pop(0)
        return traceback.format_list(frames)
    except BaseException:
        return []


def error_object(error):
    if isinstance(error, Failure):
        result = {"errorMessage": error.message, "errorType": error.error_type, "requestId": request_id,
                  "stackTrace": error.trace}
    else:
        result = {"errorMessage": text_of(error), "errorType": type(error).__name__, "requestId": request_id,
                  "stackTrace": trace_of(error)}
    if not request_id:
        del result["requestId"]  # while the function loads; the runner puts it in
    return result


def log_error(result):
    try:
        text = "[ERROR] %s: %s\n" % (result["errorType"], result["errorMessage"])
        if result["stackTrace"]:
            text += "Traceback (most recent call last):\n" + "".join(result["stackTrace"])
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
    except BaseException:
        pass


def flush():
    """Everything that was printed is in the pipes when the answer goes out: so the runner knows whose it is."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except BaseException:  # closed, or replaced by something else
            pass


def load_handler(task_root, name):
    module_name, dot, function_name = name.rpartition(".")
    if not dot or not module_name or not function_name:
        raise Failure("Runtime.MalformedHandlerName",
                      "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name = module_name.strip("/")
    try:
        import importlib
        module = importlib.import_module(module_name.replace("/", "."))
    except SyntaxError as error:
        where = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, (error.text or "").rstrip())
        raise Failure("Runtime.UserCodeSyntaxError",
                      "Syntax error in module '%s': %s" % (module_name, text_of(error)), [where]) from error
    except ImportError as error:
        raise Failure("Runtime.ImportModuleError",
                      "Unable to import module '%s': %s" % (module_name, text_of(error)), trace_of(error)) from error
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        raise Failure("Runtime.HandlerNotFound",
                      "Handler '%s' missing on module '%s'" % (function_name, module_name)) from error


def marshal(value):
    def default(item):
        if type(item).__name__ == "Decimal":
            return float(item)
        raise TypeError("Object of type %s is not JSON serializable" % type(item).__name__)

    try:
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default).encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate: JSON can only carry it escaped
            return json.dumps(value, ensure_ascii=True, allow_nan=False, default=default).encode("ascii")
    except Exception as error:
        raise Failure("Runtime.MarshalError", "Unable to marshal response: %s" % text_of(error)) from error


def invoke(handler, body, context):
    """Answers the path to post to, and the bytes."""
    try:
        try:
            event = json.loads(body)
        except ValueError as error:
            raise Failure("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % text_of(error)) from error
        payload = marshal(handler(event, context))
        if len(payload) > RESPONSE_BYTES_MAX:
            raise Failure("Function.ResponseSizeTooLarge",
                          "Response payload size exceeded maximum allowed payload size (%d bytes)."
                          % RESPONSE_BYTES_MAX)
        return "response", payload, ""
    except SystemExit:
        raise
    except BaseException as error:
        result = error_object(error)
        log_error(result)
        payload = json.dumps(result).encode("ascii")
        if len(payload) > RESPONSE_BYTES_MAX:
            result["errorMessage"] = result["errorMessage"][:65536]
            result["stackTrace"] = []
            payload = json.dumps(result).encode("ascii")
        return "error", payload, "Lambda-Runtime-Function-Error-Type: Unhandled\r\n"


def main():
    global request_id
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    set_up_logging()
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path[0] = task_root
    sys.argv = [os.environ["_HANDLER"]]
    own_pid = os.getpid()
    connection = Connection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(task_root, os.environ["_HANDLER"])
    except SystemExit:
        raise
    except BaseException as error:
        result = error_object(error)
        log_error(result)
        flush()
        connection.send(connection.request("POST", "init/error", json.dumps(result).encode("ascii"),
                                           "Lambda-Runtime-Function-Error-Type: Unhandled\r\n"))
        connection.receive()
        os._exit(1)

    next_event = connection.request("GET", "invocation/next")
    connection.send(next_event)
    while True:
        status, headers, body = connection.receive()
        if status != 200:
            raise ConnectionError("the runner answered %d: %r" % (status, body[:200]))
        request_id = headers["lambda-runtime-aws-request-id"]
        if "lambda-runtime-trace-id" in headers:
            os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        verb, payload, extra = invoke(handler, body, Context(headers))
        if os.getpid() != own_pid:
            flush()
            os._exit(0)  # a child that the handler forked and that came back from it: the answer is its parent's to give
        flush()
        path = "invocation/%s/%s" % (request_id, verb)
        connection.send(connection.request("POST", path, payload, extra) + next_event)
        del body, payload
        status, headers, body = connection.receive()
        if status != 202:
            raise ConnectionError("the runner answered %d: %r" % (status, body[:200]))


if __name__ == "__main__":
    try:
        main()
    except OSError:  # the connection; what the handler raises does not come here
        try:
            traceback.print_exc()
            flush()
        finally:
            os._exit(1)
