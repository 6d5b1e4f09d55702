"""The floor of GetFeed: a bare grpcio server whose one handler runs the reference model and returns given bytes.

    python -m benchmarks.serving.floor_server ANSWER_FILE ROWS

It has as many threads and the same limits as ``paperfeed serve``, and nothing else of it: no interceptor, no protobuf,
no database. Prints ``listening on HOST:PORT`` and serves until it is told to end.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import lightgbm
import numpy as np

SERVICE, METHOD = "benchmarks.Floor", "Answer"
THREADS, WAITING_CALLS = 16, 64
MAX_MESSAGE_BYTES = 32 * 1024 * 1024


def main(answer_file: str, rows: str) -> None:
    """Serves."""
    answer = Path(answer_file).read_bytes()
    model = lightgbm.Booster(model_file=str(Path(__file__).parents[1] / "reference_model.txt"))
    shape = (int(rows), model.num_feature())
    features = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

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
