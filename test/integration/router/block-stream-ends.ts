/** Replication servers' listeners, and agents that come to them through the router, with certificates of one manager. */
import {
  connectBlockStream,
  createBlockStreamListener,
  type BlockStreamListener,
  type BlockStreamPeer,
  type TlsFrameConnection,
} from '@lms/block-stream';
import type { LmsError } from '@lms/errors';
import {
  CertificateAuthority,
  blockStreamServerName,
  createCertificateRequest,
  createPrivateKeyPem,
} from '@lms/identity';
import type { Cleanup } from '../../harness/cleanup.ts';

export interface Accepted extends BlockStreamPeer {
  readonly connection: TlsFrameConnection;
}

export interface ReplicationServerEnd {
  readonly listener: BlockStreamListener;
  readonly accepted: Accepted[];
  readonly refused: { readonly error: LmsError; readonly address: string }[];
}

export interface ListenOptions {
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Default: as the router's configuration wants it. */
  readonly behindRouter?: boolean;
  /** What is done with each connection. Default: what comes goes back. */
  readonly answer?: (connection: TlsFrameConnection) => Promise<void>;
}

export class BlockStreamEnds {
  readonly #authority: CertificateAuthority;
  readonly #cleanup: Cleanup;
  readonly #keys = new Map<string, { readonly key: string; readonly cert: string }>();

  private constructor(authority: CertificateAuthority, cleanup: Cleanup) {
    this.#authority = authority;
    this.#cleanup = cleanup;
  }

  static async create(cleanup: Cleanup): Promise<BlockStreamEnds> {
    return new BlockStreamEnds(await CertificateAuthority.open(await CertificateAuthority.create()), cleanup);
  }

  /** Of one machine alone, as on Kubernetes. */
  async listen(machineId: string, options: ListenOptions = {}): Promise<ReplicationServerEnd> {
    const { host = '127.0.0.1', port = 0, behindRouter = true, answer = echo } = options;
    const key = await createPrivateKeyPem();
    const names = [blockStreamServerName(machineId)];
    const csr = await createCertificateRequest(key);
    const end: Omit<ReplicationServerEnd, 'listener'> = { accepted: [], refused: [] };
    const listener = await createBlockStreamListener({
      host,
      port,
      ca: this.#authority.certificatePem,
      key,
      cert: await this.#authority.issueReplicationServer(csr, `rs-${machineId}`, names),
      trustDomain: this.#authority.trustDomain,
      proxyProtocol: behindRouter ? 'required' : null,
      onConnection: (connection, peer) => {
        end.accepted.push({ ...peer, connection });
        void answer(connection);
      },
      onRefused: (error, address) => end.refused.push({ error, address }),
    });
    this.#cleanup.add(`close the listener of ${machineId}`, () => listener.close());
    return { listener, ...end };
  }

  /** `askFor`: another machine's name. */
  async connect(port: number, machineId: string, askFor: string = machineId): Promise<TlsFrameConnection> {
    const connection = await connectBlockStream({
      host: '127.0.0.1',
      port,
      serverName: blockStreamServerName(askFor),
      ca: this.#authority.certificatePem,
      ...(await this.#machine(machineId)),
      signal: AbortSignal.timeout(20_000),
    });
    this.#cleanup.add(`close a connection of ${machineId}`, () => connection.close());
    return connection;
  }

  async #machine(machineId: string) {
    const known = this.#keys.get(machineId);
    if (known !== undefined) return known;
    const key = await createPrivateKeyPem();
    const cert = await this.#authority.issueMachine(await createCertificateRequest(key), machineId);
    const made = { key, cert };
    this.#keys.set(machineId, made);
    return made;
  }
}

async function echo(connection: TlsFrameConnection): Promise<void> {
  try {
    for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
      await connection.send(frame);
    }
  } catch {
    // The other end has gone: that is what the test looks at.
  }
  connection.close();
}

/** Something goes there and comes back. */
export async function isAlive(connection: TlsFrameConnection): Promise<boolean> {
  await connection.send({ type: 'heartbeat' });
  return (await connection.receive())?.type === 'heartbeat';
}
