/** Asks grpc.health.v1 as a kubelet does: no TLS, no certificate, no trace. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';

const DEADLINE_MILLISECONDS = 10_000;

export class HealthClient {
  readonly client: Client;

  constructor(address: string) {
    this.client = new Client(address, credentials.createInsecure());
  }

  /** Rejects with a status of gRPC, such as 5: that name is not known. */
  status(service: string): Promise<string> {
    const check = healthService['Check'];
    if (check === undefined || !('path' in check)) throw new Error('grpc.health.v1 has no Check');
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.client.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      { service },
      new Metadata(),
      { deadline: Date.now() + DEADLINE_MILLISECONDS },
      (failure, answer) => (failure === null ? resolve((answer as { status: string }).status) : reject(failure)),
    );
    return promise;
  }

  close(): void {
    this.client.close();
  }
}
