"""The same without `async`: streams, whole answers and objects."""

from raptscallions_ai import SyncOpenRouterClient

with SyncOpenRouterClient() as client:
    stream = client.stream_chat("Name three fruits.", temperature=0, max_tokens=40)
    pieces = list(stream.text_stream)
    print("".join(pieces))
    print(len(pieces), stream.result().usage.total_tokens)
    print(client.chat("Name three fruits.", temperature=0, max_tokens=40).content == "".join(pieces))
