/** The limits of every call between services. */

/** A page of 1,000 machines with their disks stays well below; gRPC's own default (4 MiB) does not always. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Of a call whose caller names none: longer than any healthy answer, shorter than a person's patience. */
export const DEFAULT_DEADLINE_MILLISECONDS = 10_000;

/** Of a stream such as a log tail; its caller starts it again. */
export const STREAM_DEADLINE_MILLISECONDS = 60 * 60 * 1000;

/** A peer whose machine is gone is noticed within 30 s, though TCP alone would take minutes. */
export const KEEPALIVE_INTERVAL_MILLISECONDS = 20_000;
export const KEEPALIVE_TIMEOUT_MILLISECONDS = 10_000;

/** A service that was restarted is found again soon; grpc-js would wait up to two minutes. */
export const RECONNECT_FIRST_MILLISECONDS = 100;
export const RECONNECT_LONGEST_MILLISECONDS = 2_000;

export const CHANNEL_OPTIONS = {
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MILLISECONDS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MILLISECONDS,
  'grpc.keepalive_permit_without_calls': 1,
} as const;
