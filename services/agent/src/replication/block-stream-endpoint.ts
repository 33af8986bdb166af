/** Where the replication server is, as the manager last said; and the way there (the core's `Connect`). */
import { connectBlockStream } from '@lms/block-stream';
import type { FrameConnection } from '@lms/block-stream';

export interface EndpointAddress {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
}

export interface EndpointCredentials {
  readonly caPem: string;
  readonly privateKeyPem: string;
  readonly certificatePem: () => string;
}

export class BlockStreamEndpoint {
  readonly #credentials: EndpointCredentials;
  #address: EndpointAddress | null = null;
  #known = Promise.withResolvers<void>();
  #connection: FrameConnection | null = null;

  constructor(credentials: EndpointCredentials) {
    this.#credentials = credentials;
  }

  get address(): EndpointAddress | null {
    return this.#address;
  }

  /** Another address ends the connection to the old one; none keeps it, since the old one may go on well. */
  update(address: EndpointAddress | null): void {
    const same = (['host', 'port', 'serverName'] as const).every((part) => address?.[part] === this.#address?.[part]);
    if (address === null || same) return;
    this.#address = address;
    this.#known.resolve();
    this.#connection?.close();
  }

  /** Waits until there is an address. */
  async connect(signal: AbortSignal): Promise<FrameConnection> {
    await this.#addressKnown(signal);
    const address = this.#address;
    if (address === null) throw new RangeError('the address became known and is not there');
    const { caPem, privateKeyPem, certificatePem } = this.#credentials;
    const connection = await connectBlockStream({
      ...address,
      ca: caPem,
      key: privateKeyPem,
      cert: certificatePem(),
      signal,
    });
    this.#connection = connection;
    return connection;
  }

  async #addressKnown(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#known.promise, promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
