/**
 * In front of the API server: sees every request of one controller, and does with it what the test says. A controller whose
 * proxy is dead is, for the API server, one that was killed at that moment: nothing of it comes any more.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { KubeApiServer } from '../../harness/kube-api-server.ts';

export interface ApiRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Whether it changes an object; renewals of the lease do not count. */
  readonly writes: boolean;
}

/** `loseAnswer`: it is done, and nobody hears of it. A number: refused with this status. */
export type Verdict = 'pass' | 'die' | 'loseAnswer' | number;

export class ApiProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #onward = new Agent({ keepAlive: true });
  readonly #target: URL;
  readonly #ca: string;
  /** Replaced by tests. */
  judge: (request: ApiRequest) => Verdict = () => 'pass';
  /** What came, in its order. */
  readonly seen: ApiRequest[] = [];
  #isDead = false;

  private constructor(server: Server, target: URL, ca: string) {
    this.#server = server;
    this.#target = target;
    this.#ca = ca;
    server.on('request', (incoming, answer) => this.#pass(incoming, answer));
  }

  static async to(apiServer: KubeApiServer): Promise<ApiProxy> {
    const cluster = apiServer.adminConfig().getCurrentCluster();
    if (cluster?.caData === undefined) throw new Error('no cluster');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const ca = Buffer.from(cluster.caData, 'base64').toString();
    return new ApiProxy(server, new URL(cluster.server), ca);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  die(): void {
    this.#isDead = true;
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.die();
    this.#onward.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = '', url = '' } = incoming;
    const [path = ''] = url.split('?');
    const seen = { method, path, writes: method !== 'GET' && !path.includes('/leases') };
    const verdict = this.#isDead ? 'die' : this.judge(seen);
    if (verdict === 'die') {
      this.die();
      return;
    }
    this.seen.push(seen);
    if (typeof verdict === 'number') {
      answer.writeHead(verdict, { 'content-type': 'application/json' });
      answer.end(JSON.stringify({ kind: 'Status', message: 'the test says no', reason: 'InternalError' }));
      return;
    }
    const onward = request(
      new URL(url, this.#target),
      { method, ca: this.#ca, agent: this.#onward, headers: { ...incoming.headers, host: this.#target.host } },
      (response) => {
        if (verdict === 'loseAnswer') {
          response.resume();
          incoming.socket.destroy();
          return;
        }
        answer.writeHead(response.statusCode ?? 500, response.headers);
        answer.flushHeaders();
        response.on('error', () => answer.destroy());
        response.pipe(answer);
      },
    );
    onward.on('error', () => incoming.socket.destroy());
    answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
