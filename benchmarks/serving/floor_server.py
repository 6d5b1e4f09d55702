"""The floor for GetFeed: a bare grpcio server whose only method runs the reference model and returns given bytes.

    python -m benchmarks.serving.floor_server ANSWER_FILE ROWS

It has the threads and limits of ``paperfeed serve``, but no interceptors, protobuf or database. It prints
``listening on HOST:PORT`` and serves until it gets SIGTERM.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from benchmarks.reference import reference_model, reference_rows

SERVICE, METHOD = "benchmarks.Floor", "Answer"
THREADS, WAITING_CALLS = 16, 64
MAX_MESSAGE_BYTES = 32 * 1024 * 1024


def main(answer_file: str, rows: str) -> None:
    """Serve until the process is stopped."""
    answer = Path(answer_file).read_bytes()
    model = reference_model()
    features = reference_rows(model, int(rows))

    def handle(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        model.predict(features, num_threads=1)
        return answer

    server = grpc.server(
        ThreadPoolExecutor(THREADS),
        maximum_concurrent_rpcs=THREADS + WAITING_CALLS,
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    handlers = {METHOD: grpc.unary_unary_rpc_method_handler(handle)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
