/**
 * The ways to the replication server, as the manager last named them, and the way that is taken (the core's `Connect`).
 *
 * Situation: one replication server can have a public and a private address, and which of them a machine reaches only the
 * machine can find out. Mechanism: the first that is named is tried first, the next when it cannot be connected to; what
 * brought an answer is tried first from then on, until the manager prefers another. Special cases: an address that lets a
 * connection begin and nothing through (a path that drops big packets) is tried last the next time.
 * Failure: each address is tried once in a call, for 15 s at most; the core waits longer between calls, up to 30 s.
 *
 * A connection is ended only when its own address is named no longer: whatever else is added, removed or preferred, the
 * session goes on.
 */
import { connectBlockStream } from '@lms/block-stream';
import type { FrameConnection, Pacer } from '@lms/block-stream';
import { LmsError, toLmsError } from '@lms/errors';
import { formatAuthority, isBypassed, openTunnel } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';

export interface EndpointAddress {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
}

export interface EndpointOptions {
  readonly caPem: string;
  readonly privateKeyPem: string;
  readonly certificatePem: () => string;
  /** Why another address than the first was taken. */
  readonly log: (message: string) => void;
  /** What is sent waits for it, whatever the address. Default: nothing waits. */
  readonly sendPacer?: Pacer;
  /** Of each address. Default: 15,000. */
  readonly connectTimeoutMilliseconds?: number;
  /** By which the replication server is reached (CONNECT); default: none, directly. */
  readonly proxy?: ProxySettings | null;
}

interface Way {
  readonly address: EndpointAddress;
  /** Gives it up, whether it is still being tried or carries a session. */
  readonly end: () => void;
}

export class BlockStreamEndpoint {
  readonly #options: EndpointOptions;
  #addresses: readonly EndpointAddress[] = [];
  #known = Promise.withResolvers<void>();
  /** The last that was tried. */
  #way: Way | null = null;
  /** The last that brought a frame. */
  #worked: EndpointAddress | null = null;
  /** The last that was connected to, while it has brought nothing. */
  #unproven: EndpointAddress | null = null;
  #failed: EndpointAddress | null = null;

  #proxy: ProxySettings | null;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#proxy = options.proxy ?? null;
  }

  /** Whoever is connected comes back by the new way. */
  changeProxy(proxy: ProxySettings | null): void {
    this.#proxy = proxy;
    this.#worked = null;
    this.#unproven = null;
    this.#way?.end();
  }

  /** What is connected to, or was tried last; null: none is known yet. */
  get address(): EndpointAddress | null {
    return this.#way?.address ?? this.#addresses[0] ?? null;
  }

  /** What the last failure was about: of several addresses that failed, the one that was tried first. */
  get failedAddress(): EndpointAddress | null {
    return this.#failed ?? this.address;
  }

  /** In the order to try. None keeps those of before, since they may go on well. */
  update(addresses: readonly EndpointAddress[]): void {
    const [first] = addresses;
    if (first === undefined) return;
    if (!isSame(first, this.#addresses[0])) this.#worked = null;
    this.#addresses = addresses;
    this.#known.resolve();
    if (this.#way === null || this.#isNamed(this.#way.address)) return;
    this.#way.end();
    this.#way = null;
  }

  /** Waits until there is an address. Rejects when none of them leads to the replication server. */
  async connect(signal: AbortSignal): Promise<FrameConnection> {
    await this.#addressKnown(signal);
    const failures: LmsError[] = [];
    this.#failed = null;
    for (const address of this.#inOrder()) {
      // It was there when this call began.
      if (!this.#isNamed(address)) continue;
      try {
        const connection = await this.#connectTo(address, signal);
        if (failures.length > 0) this.#options.log(`connected by ${textOf(address)}: ${tell(failures)}`);
        this.#failed = null;
        return connection;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        this.#failed ??= address;
        failures.push(toLmsError(thrown));
      }
    }
    throw combine(failures);
  }

  #inOrder(): readonly EndpointAddress[] {
    const rank = (address: EndpointAddress): number => {
      if (isSame(address, this.#unproven)) return 2;
      return isSame(address, this.#worked) ? 0 : 1;
    };
    return this.#addresses.toSorted((a, b) => rank(a) - rank(b));
  }

  #isNamed(address: EndpointAddress): boolean {
    return this.#addresses.some((named) => isSame(named, address));
  }

  async #connectTo(address: EndpointAddress, signal: AbortSignal): Promise<FrameConnection> {
    const { caPem, privateKeyPem, certificatePem, sendPacer, connectTimeoutMilliseconds } = this.#options;
    const proxy = this.#proxy;
    const giveUp = new AbortController();
    const reason = new LmsError('ABORTED', `the way by ${textOf(address)} is given up for another`);
    this.#way = { address, end: () => giveUp.abort(reason) };
    const connection = await connectBlockStream({
      ...address,
      ca: caPem,
      key: privateKeyPem,
      cert: certificatePem(),
      signal: AbortSignal.any([signal, giveUp.signal]),
      ...(sendPacer !== undefined && { sendPacer }),
      ...(proxy !== null &&
        !isBypassed(address.host, address.port, proxy.noProxy) && {
          openSocket: (opening: AbortSignal) => openTunnel({ ...address, proxy, signal: opening }),
        }),
      ...(connectTimeoutMilliseconds !== undefined && { connectTimeoutMilliseconds }),
    });
    this.#way = { address, end: () => connection.close() };
    this.#unproven = address;
    return watchFirstFrame(connection, () => {
      this.#unproven = null;
      this.#worked = this.#isNamed(address) ? address : null;
    });
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

/** A handshake that went well says little: TLS 1.3 ends at our side before the other has seen our certificate. */
function watchFirstFrame(connection: Required<FrameConnection>, onFirst: () => void): FrameConnection {
  let come = false;
  return {
    send: (frame) => connection.send(frame),
    receive: async () => {
      const frame = await connection.receive();
      if (frame !== null && !come) {
        come = true;
        onFirst();
      }
      return frame;
    },
    hold: () => connection.hold(),
    close: () => connection.close(),
  };
}

function isSame(one: EndpointAddress, other: EndpointAddress | null | undefined): boolean {
  return one.host === other?.host && one.port === other.port && one.serverName === other.serverName;
}

function textOf({ host, port }: EndpointAddress): string {
  return formatAuthority(host, port);
}

function tell(failures: readonly LmsError[]): string {
  return failures.map(({ message }) => message).join('; ');
}

/** One failure stays what it is. */
function combine(failures: readonly LmsError[]): LmsError {
  const [first] = failures;
  if (first === undefined) return new LmsError('ABORTED', 'the addresses of the replication server have changed');
  if (failures.length === 1) return first;
  const action = first.action ?? undefined;
  const options = { cause: first, ...(action !== undefined && { action }) };
  return new LmsError(first.code, `no address leads to the replication server: ${tell(failures)}`, options);
}
