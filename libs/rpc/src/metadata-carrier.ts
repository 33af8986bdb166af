import type { Metadata } from '@grpc/grpc-js';
import type { HeaderCarrier } from '@lms/telemetry';

/** gRPC metadata as a carrier of trace context. */
export function metadataCarrier(metadata: Metadata): HeaderCarrier {
  return {
    get: (name) => {
      const value = metadata.get(name)[0];
      return typeof value === 'string' ? value : undefined;
    },
    set: (name, value) => metadata.set(name, value),
  };
}
