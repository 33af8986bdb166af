/** A way over TCP to a port of this host that can be cut: what was open ends, and nobody gets through. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import type { KubeApiServer } from '../../harness/kube-api-server.ts';

export class Way implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly port: number;
  readonly #onward: () => number;
  #isCut = false;
  #connections = 0;
  #bytes = 0;

  private constructor(server: Server, port: number, onward: () => number) {
    this.#server = server;
    this.port = port;
    this.#onward = onward;
    server.on('connection', (socket) => this.#pass(socket));
  }

  /** `onward`: asked at each connection. */
  static async to(onward: () => number): Promise<Way> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Way(server, address.port, onward);
  }

  /** Connections that got through. */
  get connections(): number {
    return this.#connections;
  }

  /** That came from whoever connected. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those that are open now. */
  get open(): number {
    return this.#sockets.size / 2;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(socket: Socket): void {
    if (this.#isCut) {
      socket.destroy();
      return;
    }
    this.#connections += 1;
    const onward = connect(this.#onward(), '127.0.0.1');
    socket.on('data', (piece) => (this.#bytes += piece.length));
    for (const end of [socket, onward]) {
      this.#sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        this.#sockets.delete(end);
        socket.destroy();
        onward.destroy();
      });
    }
    socket.pipe(onward);
    onward.pipe(socket);
  }
}

/** Where the API server listens. */
export function portOf(server: KubeApiServer): number {
  return Number(new URL(server.adminConfig().getCurrentCluster()?.server ?? '').port);
}

/** Of the admin, by another port of this host; http: without TLS. */
export function configBy(server: KubeApiServer, namespace: string, url: string): KubeConfig {
  const config = server.adminConfig(namespace);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('no cluster');
  const { users, contexts, currentContext } = config;
  const by = new KubeConfig();
  // The library refuses http with a CA that is to be checked.
  const at = { ...cluster, server: url, skipTLSVerify: url.startsWith('http:') };
  by.loadFromOptions({ clusters: [at], users, contexts, currentContext });
  return by;
}
