/**
 * The manager as a replication server sees it, in one HTTPS server: it answers what the test set and keeps what it was told.
 * Requests are checked with the schemas of @lms/api and assertions for real; only what stands behind them is missing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { zstdDecompressSync } from 'node:zlib';
import {
  AccessTokenRequest,
  EnrolReplicationServerRequest,
  LogBatch,
  PointsReport,
  ReadyReport,
  ReplicationServerStatisticsBatch,
  TaskResult,
  UNLIMITED,
} from '@lms/api';
import type {
  AssignedMachine,
  AssignmentsAnswer,
  LogRecord,
  ReplicationServerStatistics,
  ReplicationTask,
} from '@lms/api';
import {
  CertificateAuthority,
  ReplayCache,
  createCertificateRequest,
  createPrivateKeyPem,
  verifyAssertion,
} from '@lms/identity';
import { until } from '../harness/until.ts';

export const BOOTSTRAP_TOKEN = 'bootstrap-token-of-the-test';

const KEEP_ALIVE_MILLISECONDS = 75_000;

export interface ReceivedExport {
  readonly body: Buffer;
  readonly announcedBytes: number;
}

export class ManagerDouble implements AsyncDisposable {
  readonly authority: CertificateAuthority;
  readonly ready: ReadyReport[] = [];
  readonly statistics: ReplicationServerStatistics[] = [];
  readonly logs: LogRecord[] = [];
  readonly points: { machineId: string; report: PointsReport; traceparent: string | undefined }[] = [];
  readonly results = new Map<string, TaskResult>();
  readonly exports = new Map<string, ReceivedExport>();
  enrolments = 0;
  /** What an export's receipt says of the bytes; replaced by a test of a manager that received others. */
  receiptOf = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
  readonly #server: Server;
  #port = 0;
  readonly #replays = new ReplayCache(600);
  #machines: readonly AssignedMachine[] = [];
  #tasks: readonly ReplicationTask[] = [];
  #removed: readonly string[] = [];
  #settings: AssignmentsAnswer['settings'] = { bandwidth: UNLIMITED, proxy: null };
  #revision = 1;

  private constructor(authority: CertificateAuthority, server: Server) {
    this.authority = authority;
    this.#server = server;
  }

  static async create(): Promise<ManagerDouble> {
    const authority = await CertificateAuthority.open(await CertificateAuthority.create());
    const key = await createPrivateKeyPem();
    const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
    // As long as a gateway keeps them: a server that connects anew for each report would be another one.
    const server = createServer({ key, cert, keepAliveTimeout: KEEP_ALIVE_MILLISECONDS });
    const manager = new ManagerDouble(authority, server);
    server.on('request', (request, response) => void manager.#serve(request, response));
    await manager.#listen(0);
    return manager;
  }

  async #listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  assign(
    machines: readonly AssignedMachine[],
    tasks: readonly ReplicationTask[] = [],
    removedMachineIds: readonly string[] = [],
  ): void {
    this.#machines = machines;
    this.#removed = removedMachineIds;
    this.#tasks = tasks;
    this.#revision += 1;
  }

  /** Of the replication server itself. */
  set(settings: AssignmentsAnswer['settings']): void {
    this.#settings = settings;
    this.#revision += 1;
  }

  /** Gone until `comeBack`, at the same address. */
  async goAway(): Promise<{ comeBack: () => Promise<void> }> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    return { comeBack: () => this.#listen(this.#port) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', this.url);
      const answer = await this.#answer(request, url);
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    } catch (thrown) {
      const problem = {
        type: 'about:blank',
        title: 'refused',
        status: 401,
        detail: String(thrown),
        code: 'UNAUTHENTICATED',
      };
      response.writeHead(401, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    }
  }

  async #answer(request: IncomingMessage, url: URL): Promise<unknown> {
    const path = url.pathname.replace('/v1', '');
    const body = await readBody(request);
    if (path === '/ca') return { certificatePem: this.authority.certificatePem, sha256: this.authority.sha256 };
    if (path === '/replication-server/enrol') return this.#enrol(EnrolReplicationServerRequest.parse(jsonOf(body)));
    if (path === '/replication-server/token') return this.#token(AccessTokenRequest.parse(jsonOf(body)).assertion);
    if (!(request.headers.authorization ?? '').startsWith('Bearer access-')) throw new Error('no access token');
    if (path === '/replication-server/assignments') return this.#assignments(url.searchParams);
    if (path.startsWith('/replication-server/exports/')) return this.#export(path, request, body);
    this.#keep(path, jsonOf(body), request.headers['traceparent']?.toString());
    return {};
  }

  async #enrol({ token, csrPem, name }: EnrolReplicationServerRequest): Promise<unknown> {
    if (token !== BOOTSTRAP_TOKEN) throw new Error('the token is not accepted');
    this.enrolments += 1;
    const names = ['*.block-stream.lms.internal'];
    return {
      name,
      certificatePem: await this.authority.issueReplicationServer(csrPem, name, names),
      caPem: this.authority.certificatePem,
      trustDomain: this.authority.trustDomain,
    };
  }

  async #token(assertion: string): Promise<unknown> {
    const { certificatePem: caPem, sha256: caSha256, trustDomain } = this.authority;
    await verifyAssertion(assertion, { caPem, caSha256, trustDomain, replays: this.#replays });
    return { accessToken: `access-${randomUUID()}`, expiresAt: new Date(Date.now() + 600_000).toISOString() };
  }

  /** A long poll: answers when there is something else than the asker knows, and when it has waited long enough. */
  async #assignments(query: URLSearchParams): Promise<unknown> {
    const revision = query.get('revision');
    const waitedUntil = performance.now() + Number(query.get('wait')) * 1_000;
    if (revision !== null) {
      await until(
        'another revision',
        () => `${this.#revision}.0` !== revision || !this.#server.listening || performance.now() > waitedUntil,
      );
    }
    return {
      revision: `${this.#revision}.0`,
      machines: this.#machines,
      removedMachineIds: this.#removed,
      tasks: this.#tasks,
      settings: this.#settings,
    };
  }

  #export(path: string, request: IncomingMessage, body: Buffer): unknown {
    this.exports.set(path.split('/').at(-1) ?? '', { body, announcedBytes: Number(request.headers['lms-size-bytes']) });
    return { sizeBytes: body.byteLength, sha256: this.receiptOf(body) };
  }

  #keep(path: string, body: unknown, traceparent: string | undefined): void {
    const points = /^\/replication-server\/machines\/([^/]+)\/points$/.exec(path);
    const result = /^\/replication-server\/tasks\/([^/]+)\/result$/.exec(path);
    if (points?.[1] !== undefined) {
      this.points.push({ machineId: points[1], report: PointsReport.parse(body), traceparent });
    } else if (result?.[1] !== undefined) {
      this.results.set(result[1], TaskResult.parse(body));
      this.#tasks = this.#tasks.filter((task) => task.id !== result[1]);
      this.#revision += 1;
    } else if (path === '/replication-server/ready') this.ready.push(ReadyReport.parse(body));
    else if (path === '/replication-server/logs') this.logs.push(...LogBatch.parse(body).batch);
    else if (path === '/replication-server/statistics') {
      this.statistics.push(...ReplicationServerStatisticsBatch.parse(body).batch);
    } else throw new Error(`no such path: ${path}`);
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts);
  return request.headers['content-encoding'] === 'zstd' ? zstdDecompressSync(body) : body;
}

function jsonOf(body: Buffer): unknown {
  return body.byteLength === 0 ? {} : JSON.parse(body.toString());
}
